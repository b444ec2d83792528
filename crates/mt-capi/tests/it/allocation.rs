//! What is allocated, a thread.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use crate::bundles;
use crate::c::Model;

struct Counting;

thread_local!(static ALLOCATIONS: Cell<usize> = const { Cell::new(0) });

fn count() {
    // A thread that ends has no counter any more.
    let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
}

// SAFETY: all is done by the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller promises the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: the caller promises the same.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: the caller promises the same.
        unsafe { System.realloc(memory, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn filling_rows_allocates_nothing_in_the_steady_state_and_predicting_them_little() {
    let folder = tempfile::tempdir().expect("a folder");
    bundles::write(&folder.path().join("bundle"), 1);
    let model = Model::load(&folder.path().join("bundle")).expect("a bundle");
    let columns = ["age", "user", "seen"].map(|name| model.column(name).expect("a column"));
    let (mut rows, mut out) = (model.rows(), [0.0; 8 * 5]);
    let mut round = || {
        let start = ALLOCATIONS.get();
        rows.clear();
        for i in 0..8u64 {
            rows.number(columns[0], i as f64 / 2.0).expect("a number");
            rows.text(columns[1], "bob").expect("a text");
            rows.list(columns[2], &[i, 2, u64::MAX]).expect("a list");
            rows.add().expect("a row");
        }
        let filled = ALLOCATIONS.get();
        rows.predict(&mut out).expect("predictions");
        (filled - start, ALLOCATIONS.get() - filled)
    };
    round();
    for _ in 0..3 {
        let (filling, predicting) = round();
        assert_eq!(filling, 0);
        assert!(predicting < 200, "{predicting}");
    }
}
