//! Tests of the public API.

mod operations;
mod trouble;

use mt_dist::{Collective, Threads};
use std::thread;

/// What each rank of a group of threads returns.
fn ranks<T: Send>(size: usize, work: impl Fn(Threads) -> T + Sync) -> Vec<T> {
    let work = &work;
    thread::scope(|scope| {
        let ranks: Vec<_> =
            Threads::group(size).into_iter().map(|here| scope.spawn(move || work(here))).collect();
        ranks.into_iter().map(|rank| rank.join().expect("a rank panics")).collect()
    })
}

/// Bytes that tell from where to where they go, in which step.
fn letter(from: usize, to: usize, step: usize) -> Vec<u8> {
    // Of lengths that grow and shrink, 0 among them.
    let length = (from * 7 + to * 3 + step * 5) % 11 * (1 + step % 3 * 1000);
    (0..length).map(|at| (from * 31 + to * 17 + step + at) as u8).collect()
}

/// The letters of a rank.
fn letters(here: &dyn Collective, step: usize) -> Vec<Vec<u8>> {
    (0..here.size()).map(|to| letter(here.rank(), to, step)).collect()
}
