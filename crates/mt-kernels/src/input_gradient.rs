//! The gradient of what an operation reads, added up by all that read it.

use std::mem::take;

use crate::scratch::{Scratch, scratch};

/// The gradient of what an operation reads.
#[derive(Debug, Default)]
pub struct InputGradient {
    values: Scratch,
    /// Whether nothing was added yet: `values` holds anything.
    fresh: bool,
}

impl InputGradient {
    /// A gradient of so many values, to which nothing was added.
    pub fn new(len: usize) -> Self {
        Self { values: scratch(len), fresh: true }
    }

    /// For whoever overwrites all of it.
    pub fn written(&mut self) -> &mut [f32] {
        self.fresh = false;
        &mut self.values
    }

    /// For whoever adds to it part by part, and clears each part first if so told.
    pub fn parts(&mut self) -> (&mut [f32], bool) {
        (&mut self.values, take(&mut self.fresh))
    }

    /// For whoever adds to it.
    pub fn sums(&mut self) -> &mut [f32] {
        if take(&mut self.fresh) {
            self.values.fill(0.0);
        }
        &mut self.values
    }

    /// Whether nothing was added yet.
    pub fn is_fresh(&self) -> bool {
        self.fresh
    }

    /// What was added.
    pub fn into_sums(mut self) -> Scratch {
        self.sums();
        self.values
    }
}
