//! Random numbers of a step, from the run's seed and the step's number alone.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// Draws that a continued run repeats.
pub(crate) struct Draws(ChaCha8Rng);

impl Draws {
    pub fn new(seed: u64, step: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(step);
        Self(rng)
    }

    /// Uniform in [0, 1), 53 bits.
    fn uniform(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A standard normal number, by Box and Muller 1958.
    pub fn normal(&mut self) -> f64 {
        let (radius, angle) = ((1.0 - self.uniform()).ln(), self.uniform());
        (-2.0 * radius).sqrt() * (std::f64::consts::TAU * angle).cos()
    }

    /// A random order (Fisher and Yates).
    pub fn shuffle(&mut self, list: &mut [usize]) {
        for last in (1..list.len()).rev() {
            list.swap(last, (self.uniform() * (last + 1) as f64) as usize);
        }
    }
}
