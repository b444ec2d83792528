//! Random numbers of a trial.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// Random numbers of one trial, whatever was drawn for others.
pub struct Draws(ChaCha8Rng);

impl Draws {
    pub fn new(seed: u64, trial: usize) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(trial as u64);
        Self(rng)
    }

    /// From 0 to below 1.
    pub fn uniform(&mut self) -> f64 {
        // 53 bits, as many as a number holds.
        (self.0.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Normal, by Box and Muller.
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (2.0 * std::f64::consts::PI * self.uniform()).cos()
    }
}
