//! A rank that does not come: the others get an error, at once, and nobody waits for ever.

use crate::ranks;
use mt_dist::error::Call;
use mt_dist::{Collective, Error, Solo, Threads};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

#[test]
fn a_rank_that_ends_early_is_named() {
    let found = ranks(4, |here| {
        here.barrier()?;
        if here.rank() == 2 {
            return Ok(());
        }
        // The next fails as well.
        let first = here.gather(b"x").map(drop);
        assert_eq!(first, here.barrier());
        first
    });
    let left = Err(Error::Left { rank: 2 });
    assert_eq!(found, [left.clone(), left.clone(), Ok(()), left]);
    assert_eq!(Error::Left { rank: 2 }.to_string(), "rank 2 has left before the others were done");
}

#[test]
fn a_rank_that_panics_is_named() {
    let found = ranks(3, |here| {
        if here.rank() == 1 {
            // Without a message on the terminal.
            let panics = catch_unwind(AssertUnwindSafe(move || {
                std::thread::sleep(Duration::from_millis(20));
                let _held = here;
                std::panic::resume_unwind(Box::new("trouble"));
            }));
            return panics.map_err(|_| Error::Left { rank: 1 });
        }
        here.exchange_in_place(&mut vec![vec![1]; 3])
    });
    assert_eq!(found, vec![Err(Error::Left { rank: 1 }); 3]);
}

#[test]
fn a_rank_that_ends_after_the_last_operation_is_no_trouble() {
    for _ in 0..200 {
        let found = ranks(4, |here| here.gather(&[here.rank() as u8]));
        assert!(found.iter().all(|all| all == &Ok(vec![vec![0], vec![1], vec![2], vec![3]])), "{found:?}");
    }
}

#[test]
fn a_rank_that_aborts_ends_all_with_its_reason() {
    let found = ranks(3, |here| {
        here.barrier()?;
        if here.rank() == 1 {
            return Err(here.abort("no space left"));
        }
        here.broadcast(0, &mut Vec::new())
    });
    let aborted = Error::Aborted { rank: 1, reason: "no space left".into() };
    assert_eq!(aborted.to_string(), "rank 1 has ended the job: no space left");
    assert_eq!(found, vec![Err(aborted); 3]);
    assert_eq!(Solo.abort("why").to_string(), "rank 0 has ended the job: why");
}

#[test]
fn ranks_at_different_operations_are_told_apart() {
    type Operation = fn(&Threads) -> Result<(), Error>;
    let exchange: Operation = |here| here.exchange_in_place(&mut vec![Vec::new(); here.size()]);
    let broadcast: Operation = |here| here.broadcast(1, &mut Vec::new());
    let gather: Operation = |here| here.gather(&[]).map(drop);
    let cases: [(Operation, Operation, Call, Call); 3] = [
        (exchange, gather, Call::Exchange, Call::Gather),
        (broadcast, exchange, Call::Broadcast { root: 1 }, Call::Exchange),
        (
            broadcast,
            |here| here.broadcast(2, &mut Vec::new()),
            Call::Broadcast { root: 1 },
            Call::Broadcast { root: 2 },
        ),
    ];
    for (most, one, first, theirs) in cases {
        let found = ranks(4, |here| {
            here.barrier()?;
            let found = if here.rank() == 3 { one(&here) } else { most(&here) };
            assert_eq!(found, here.barrier());
            found
        });
        assert_eq!(found, vec![Err(Error::Order { rank: 3, theirs, first }); 4]);
    }
}
