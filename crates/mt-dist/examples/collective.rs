//! All operations among the processes that a launcher has started, checked; the hash that rank 0 prints is the same for any number of
//! them and any MPI.
//!
//! ```console
//! $ mpirun -n 4 target/debug/examples/collective
//! 4 ranks, hash 56b4c5444cc60f81
//! ```
//!
//! With one of the words `abort`, `die`, `leave`, `panic`, `differ`, `order` the last rank makes trouble: the job ends and says why.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program")]

use mt_dist::{Collective, Error, Mpi, Node, Result, Shards, Solo, Tree, agree, launcher, mix, slice};
use std::io::Write;
use std::process::ExitCode;

/// Of the buffers, up to more than one message of MPI can hold.
const LENGTHS: [usize; 6] = [0, 1, 15, 4096, 1 << 20, 20 << 20];
/// Terms of a sum, of which the last are absent, and how long each is.
const SHARDS: usize = 16;
const PRESENT: usize = 13;
const WIDTH: usize = 100_003;

fn main() -> ExitCode {
    let trouble = std::env::args().nth(1);
    match work(trouble.as_deref()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // In one piece, as other ranks write there too.
            _ = std::io::stderr().write_all(format!("error: {error}\n").as_bytes());
            ExitCode::FAILURE
        }
    }
}

fn work(trouble: Option<&str>) -> Result<()> {
    // As `open` does, but MPI for a single process too.
    let here: Box<dyn Collective> =
        if launcher().is_some() { Box::new(Mpi::open()?) } else { Box::new(Solo) };
    let here = &*here;
    agree(here, "version", env!("CARGO_PKG_VERSION").as_bytes())?;
    if let Some(trouble) = trouble {
        return make(trouble, here);
    }
    for step in 0..LENGTHS.len() {
        exchange(here, step)?;
        broadcast(here, step)?;
    }
    let hash = [sum(here)?, rows(here)?].into_iter().fold(0, |hash, part| mix(hash ^ part));
    here.barrier()?;
    if here.rank() == 0 {
        println!("{} ranks, hash {hash:016x}", here.size());
    }
    Ok(())
}

/// What rank `from` has for `to`: of a length that depends on both.
fn letter(from: usize, to: usize, step: usize) -> Vec<u8> {
    let length = LENGTHS[(from + 2 * to + step) % LENGTHS.len()];
    let first = mix((from * 1000 + to) as u64);
    (0..length as u64).map(|at| (first.wrapping_add(at * at) >> 3) as u8).collect()
}

/// To each and from each, and what one has to all.
fn exchange(here: &dyn Collective, step: usize) -> Result<()> {
    let (rank, size) = (here.rank(), here.size());
    let mut buffers: Vec<_> = (0..size).map(|to| letter(rank, to, step)).collect();
    here.exchange_in_place(&mut buffers)?;
    for (from, found) in buffers.iter().enumerate() {
        assert!(*found == letter(from, rank, step), "from {from} to {rank} in step {step}");
    }
    // The buffers of the first are used again, for what has other lengths.
    here.gather_into(&letter(rank, 0, step), &mut buffers)?;
    for (from, found) in buffers.iter().enumerate() {
        assert!(*found == letter(from, 0, step), "of {from} in step {step}");
    }
    Ok(())
}

fn broadcast(here: &dyn Collective, step: usize) -> Result<()> {
    let mut bytes = Vec::new();
    for root in 0..here.size() {
        if here.rank() == root {
            bytes = letter(root, root, step);
        }
        here.broadcast(root, &mut bytes)?;
        assert!(bytes == letter(root, root, step), "of {root} in step {step}");
    }
    Ok(())
}

/// A sum of floats as a training step takes it: each rank adds its shards, sends the slices of what it cannot add up alone to their
/// owners, who finish them; all get all slices. The hash of the whole.
fn sum(here: &dyn Collective) -> Result<u64> {
    let (rank, size, shards) = (here.rank(), here.size(), Shards::new(SHARDS)?);
    let add = |mut left: Vec<f32>, right: Vec<f32>| {
        left.iter_mut().zip(right).for_each(|(left, right)| *left += right);
        left
    };
    let mut tree = Tree::new(shards, shards.of(rank, size));
    for shard in tree.range().filter(|&shard| shard < PRESENT) {
        let number = |at: usize| mix((shard * WIDTH + at) as u64) as i32 as f32 / 1000.0;
        tree.push(shard, (0..WIDTH).map(number).collect(), add)?;
    }
    let mut buffers = vec![Vec::new(); size];
    for node in tree.into_nodes(add) {
        for (to, buffer) in buffers.iter_mut().enumerate() {
            buffer.extend((node.shard as u32).to_le_bytes());
            buffer.extend(node.value[slice(WIDTH, to, size)].iter().flat_map(|value| value.to_le_bytes()));
        }
    }
    here.exchange_in_place(&mut buffers)?;
    let words =
        |bytes: &[u8]| bytes.as_chunks().0.iter().map(|word| u32::from_le_bytes(*word)).collect::<Vec<_>>();
    let node = |words: &[u32]| {
        let value = words[1..].iter().map(|&bits| f32::from_bits(bits)).collect();
        Node { shard: words[0] as usize, value }
    };
    let length = 1 + slice(WIDTH, rank, size).len();
    let nodes = buffers.iter().flat_map(|buffer| words(buffer).chunks(length).map(node).collect::<Vec<_>>());
    let mine: Vec<u8> =
        Tree::root(shards, nodes, add)?.into_iter().flatten().flat_map(f32::to_le_bytes).collect();
    let whole = words(&here.gather(&mine)?.concat());
    assert_eq!(whole.len(), WIDTH);
    Ok(whole.into_iter().fold(0, |hash, bits| mix(hash ^ u64::from(bits))))
}

/// Keys of shards, each to the owner of its bucket, who must get them from nobody else; the hash of how often each was there.
fn rows(here: &dyn Collective) -> Result<u64> {
    let (size, shards, buckets) = (here.size(), Shards::new(SHARDS)?, Shards::new(256)?);
    let mut buffers = vec![Vec::new(); size];
    for shard in shards.of(here.rank(), size) {
        for draw in 0..5000 {
            let key = mix((shard * 5000 + draw) as u64) % 2000;
            buffers[buckets.rank(key as usize % 256, size)].extend(key.to_le_bytes());
        }
    }
    here.exchange_in_place(&mut buffers)?;
    let mut counts = vec![0_u64; 2000];
    for key in buffers.concat().as_chunks().0 {
        let key = u64::from_le_bytes(*key);
        assert_eq!(buckets.rank(key as usize % 256, size), here.rank(), "key {key}");
        counts[key as usize] += 1;
    }
    let all = here.gather(&counts.into_iter().flat_map(u64::to_le_bytes).collect::<Vec<_>>())?;
    let mut totals = vec![0; 2000];
    for counts in &all {
        totals
            .iter_mut()
            .zip(counts.as_chunks().0)
            .for_each(|(total, count)| *total += u64::from_le_bytes(*count));
    }
    Ok(totals.into_iter().fold(0, |hash, count| mix(hash ^ count)))
}

/// What the last rank does when it should not.
fn make(trouble: &str, here: &dyn Collective) -> Result<()> {
    let last = here.rank() + 1 == here.size();
    match trouble {
        "abort" if last => Err(here.abort("no space left")),
        "die" if last => std::process::abort(),
        "leave" if last => Ok(()),
        "panic" if last => panic!("as asked for"),
        "differ" => agree(here, "configuration", if last { b"seed: 2" } else { b"seed: 1" }),
        "order" if last => here.gather(b"x").map(drop),
        "abort" | "die" | "leave" | "panic" | "order" => {
            here.exchange(&vec![Vec::new(); here.size()]).map(drop)
        }
        _ => Err(Error::Library(format!("no such trouble: {trouble}"))),
    }
}
