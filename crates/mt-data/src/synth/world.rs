//! Preference vectors, and rows drawn under them.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use super::columns::{CONTEXT, FEATURES, TRAITS};
use super::{SynthConfig, TASKS};

/// Linear terms of a score: tastes, traits, duration, hour, age, plays.
const LINEAR: usize = 2 * TRAITS + 4;
/// Logit of the mean row: about 45 % completions and 7 % likes at the default signal, as on a video platform.
const INTERCEPTS: [f64; TASKS.len()] = [-0.3, -4.2];
/// The random stream of the preference vectors; rows have the streams from 0.
const WORLD_STREAM: u64 = u64::MAX;

/// What decides rows beside their number.
pub(super) struct World {
    rng: ChaCha8Rng,
    preferences: [Preference; TASKS.len()],
    /// `sin` of each hour of a day, with variance 1.
    hours: [f64; 24],
}

/// One task's score: the dot product with the linear terms and the products.
#[derive(Clone, Copy)]
struct Preference {
    linear: [f64; LINEAR],
    products: [f64; TRAITS],
}

impl World {
    pub fn new(config: &SynthConfig) -> Self {
        let rng = ChaCha8Rng::seed_from_u64(config.seed);
        let mut draws = rng.clone();
        draws.set_stream(WORLD_STREAM);
        let (linear, products) = ((1.0 - config.interaction).sqrt(), config.interaction.sqrt());
        let linear = vectors(&mut draws, config.correlation, config.signal * linear);
        let products = vectors(&mut draws, config.correlation, config.signal * products);
        let preferences = std::array::from_fn(|t| Preference { linear: linear[t], products: products[t] });
        let hours = std::array::from_fn(|hour| {
            (hour as f64 / 24.0 * std::f64::consts::TAU).sin() * std::f64::consts::SQRT_2
        });
        World { rng, preferences, hours }
    }

    /// Draws row number `row`: features, labels and the labels' true probabilities.
    pub fn row(&self, row: u64, values: &mut [f32], labels: &mut [f32], truth: &mut [f32]) {
        let mut rng = self.rng.clone();
        rng.set_stream(row);
        debug_assert!(values.len() == FEATURES);

        let mut terms = [0.0; LINEAR];
        let mut noise = || normal(&mut rng);
        let (latent, context) = terms.split_at_mut(2 * TRAITS);
        latent.iter_mut().for_each(|z| *z = decimals(noise()));
        let [duration, age, plays] = [decimals(noise()), decimals(noise()), decimals(noise())];
        let (head, tail) = values.split_at_mut(2 * TRAITS + CONTEXT.len());
        for i in 0..TRAITS {
            // Half signal, half noise; the mixture is over neighbouring traits.
            let mixture = latent[TRAITS + i] + latent[TRAITS + (i + 1) % TRAITS];
            tail[i] = decimals((latent[i] + noise()) * 0.5) as f32;
            tail[TRAITS + i] = decimals((mixture + noise()) * 0.5) as f32;
        }
        tail[2 * TRAITS] = decimals(noise()) as f32;

        let hour = (rng.next_u32() % 24) as usize;
        let flags = rng.next_u32();
        context.copy_from_slice(&[duration, self.hours[hour], age, plays]);
        let flag = |bits: u32, shift: u32, below: u32| f32::from((bits >> shift & 0xFF) < below);
        let columns = [
            // Skewed, as durations, ages and counts are: median 20 s, 7 days and 400 plays.
            decimals((3.0 + 0.8 * duration).exp()) as f32,
            hour as f32,
            decimals((2.0 + age).exp()) as f32,
            (6.0 + 1.5 * plays).exp().round() as f32,
            flag(flags, 0, 73),
            flag(flags, 8, 200),
            flag(flags, 16, 26),
        ];
        head.iter_mut().zip(latent.iter()).for_each(|(value, &z)| *value = z as f32);
        head[2 * TRAITS..].copy_from_slice(&columns);

        for (task, preference) in self.preferences.iter().enumerate() {
            let linear: f64 = preference.linear.iter().zip(&terms).map(|(w, z)| w * z).sum();
            let products: f64 =
                (0..TRAITS).map(|i| preference.products[i] * terms[i] * terms[TRAITS + i]).sum();
            let probability = 1.0 / (1.0 + (-(INTERCEPTS[task] + linear + products)).exp());
            truth[task] = probability as f32;
            labels[task] = f32::from(uniform(rng.next_u32()) < probability);
        }
    }
}

/// Two vectors of length `length` with the cosine `cosine`, in a random direction.
fn vectors<const N: usize>(rng: &mut ChaCha8Rng, cosine: f64, length: f64) -> [[f64; N]; 2] {
    let mut draw = || -> [f64; N] { std::array::from_fn(|_| normal(rng)) };
    let dot = |a: &[f64; N], b: &[f64; N]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let unit = |v: [f64; N]| v.map(|x| x / dot(&v, &v).sqrt());
    let first = unit(draw());
    let other = draw();
    let along = dot(&first, &other);
    let across: [f64; N] = unit(std::array::from_fn(|i| other[i] - along * first[i]));
    let sine = (1.0 - cosine * cosine).sqrt();
    [first.map(|x| x * length), std::array::from_fn(|i| (cosine * first[i] + sine * across[i]) * length)]
}

/// A number from 0 to below 1.
fn uniform(bits: u32) -> f64 {
    f64::from(bits) / 4_294_967_296.0
}

/// Nearly normal, mean 0, variance 1: four uniforms' sum, within +-3.5. Sums are the same on every machine,
/// which logarithms and cosines of a system's library are not.
fn normal(rng: &mut ChaCha8Rng) -> f64 {
    let (a, b) = (rng.next_u32(), rng.next_u32());
    let sum = (a & 0xFFFF) + (a >> 16) + (b & 0xFFFF) + (b >> 16);
    (f64::from(sum) / 65_536.0 - 2.0) * 1.732_050_807_568_877_2
}

/// Four decimals, so that a row in a text file is short and still exact.
fn decimals(x: f64) -> f64 {
    (x * 1e4).round() / 1e4
}
