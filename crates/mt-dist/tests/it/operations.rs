//! What arrives is what was sent.

use crate::{letter, letters, ranks};
use mt_dist::{Collective, Error, Solo, agree};
use std::sync::atomic::{AtomicUsize, Ordering};

/// All operations, several times, with the buffers used again.
fn all_operations(here: &dyn Collective) {
    let (rank, size) = (here.rank(), here.size());
    let (mut buffers, mut all, mut news) = (Vec::new(), Vec::new(), Vec::new());
    for step in 0..6 {
        buffers.resize_with(size, Vec::new);
        for (to, buffer) in buffers.iter_mut().enumerate() {
            buffer.clear();
            buffer.extend(letter(rank, to, step));
        }
        here.exchange_in_place(&mut buffers).unwrap();
        let expected: Vec<_> = (0..size).map(|from| letter(from, rank, step)).collect();
        assert_eq!(buffers, expected);
        assert_eq!(here.exchange(&letters(here, step)).unwrap(), expected);

        here.gather_into(&letter(rank, 0, step), &mut all).unwrap();
        assert_eq!(all, (0..size).map(|from| letter(from, 0, step)).collect::<Vec<_>>());
        assert_eq!(here.gather(&letter(rank, 0, step)).unwrap(), all);

        for root in 0..size {
            if root == rank {
                news = letter(root, root, step);
            }
            here.broadcast(root, &mut news).unwrap();
            assert_eq!(news, letter(root, root, step));
        }
        here.barrier().unwrap();
    }
}

#[test]
fn any_number_of_ranks_exchanges_gathers_and_broadcasts() {
    all_operations(&Solo);
    for size in 1..=8 {
        ranks(size, |here| all_operations(&here));
    }
    assert_eq!(ranks(0, |_| ()).len(), 0);
}

#[test]
fn nobody_passes_a_barrier_before_all_are_there() {
    let arrived = AtomicUsize::new(0);
    ranks(8, |here| {
        for step in 1..100 {
            arrived.fetch_add(1, Ordering::SeqCst);
            here.barrier().unwrap();
            let now = arrived.load(Ordering::SeqCst);
            assert!((8 * step..8 * (step + 1)).contains(&now), "{now} in step {step}");
        }
    });
}

#[test]
fn what_differs_is_named_on_all_ranks() {
    for size in 1..=8 {
        let same = ranks(size, |here| agree(&here, "version", b"0.1.0"));
        assert_eq!(same, vec![Ok(()); size]);
    }
    let found =
        ranks(4, |here| agree(&here, "configuration", if here.rank() < 2 { b"seed: 1" } else { b"seed: 2" }));
    assert_eq!(found, vec![Err(Error::Disagree { rank: 2, what: "configuration".into() }); 4]);
    let text = found[0].clone().unwrap_err().to_string();
    assert_eq!(text, "rank 2 has another configuration than rank 0");
}

#[test]
fn what_does_not_fit_the_group_is_refused_without_the_others() {
    let refused = |here: &dyn Collective| {
        let size = here.size();
        let buffers = here.exchange_in_place(&mut vec![Vec::new(); size + 1]);
        assert_eq!(buffers, Err(Error::Buffers { found: size + 1, size }));
        assert_eq!(here.broadcast(size, &mut Vec::new()), Err(Error::NoRank { rank: size, size }));
        here.barrier().unwrap();
    };
    refused(&Solo);
    ranks(3, |here| refused(&here));
}
