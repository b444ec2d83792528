//! Preference vectors, and rows drawn under them.

use std::f64::consts::FRAC_PI_2;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use super::config::{CONTEXT, FEATURES, SynthConfig, TASKS, TRAITS};

/// Linear terms of a score: tastes, traits, duration, hour, age, plays.
const LINEAR: usize = 2 * TRAITS + 4;
/// Logit of the mean row: about 45 % completions and 7 % likes at the default signal, as on a video platform.
const INTERCEPTS: [f64; TASKS.len()] = [-0.3, -4.2];
/// Frequencies of the sines, whose phases are a quarter, half and three quarters of a turn: so, they correlate neither
/// with each other nor with what they are of, and each has half the variance of its amplitude squared.
const FREQUENCIES: [f64; 3] = [2.0, 4.0, 6.0];
/// The random stream of the preference vectors; rows have the streams from 0.
const WORLD_STREAM: u64 = u64::MAX;

/// What decides rows beside their number.
pub(super) struct World {
    rng: ChaCha8Rng,
    /// By tab, then by task.
    preferences: Vec<[Preference; TASKS.len()]>,
    /// Amplitude of each sine, 0 without.
    wave: f64,
    /// `sin` of each hour of a day, with variance 1.
    hours: [f64; 24],
}

/// One task's score in one tab: the dot product with the linear terms and the products.
struct Preference {
    linear: [f64; LINEAR],
    products: [f64; TRAITS],
    /// `linear` of length 1: what the sines are of.
    direction: [f64; LINEAR],
}

impl World {
    pub fn new(config: &SynthConfig) -> Self {
        let rng = ChaCha8Rng::seed_from_u64(config.seed);
        let mut draws = rng.clone();
        draws.set_stream(WORLD_STREAM);
        // What is left of 1 may be a rounding error below 0.
        let length = |share: f64| config.signal * share.max(0.0).sqrt();
        let linear = length(1.0 - config.interaction - config.sinusoids);
        let products = length(config.interaction);
        let wave = length(config.sinusoids) * (2.0 / FREQUENCIES.len() as f64).sqrt();
        let directions = vectors::<LINEAR>(&mut draws, config);
        let interactions = vectors::<TRAITS>(&mut draws, config);
        let of_task = |(direction, interaction): ([f64; LINEAR], [f64; TRAITS])| Preference {
            linear: direction.map(|x| x * linear),
            products: interaction.map(|x| x * products),
            direction,
        };
        let of_tab = |([a, b], [c, d]): (Pair<LINEAR>, Pair<TRAITS>)| [(a, c), (b, d)].map(of_task);
        let preferences = directions.into_iter().zip(interactions).map(of_tab).collect();
        let hours = std::array::from_fn(|hour| {
            (hour as f64 / 24.0 * std::f64::consts::TAU).sin() * std::f64::consts::SQRT_2
        });
        World { rng, preferences, wave, hours }
    }

    /// Draws row number `row`: features, labels and the labels' true probabilities.
    pub fn row(&self, row: u64, values: &mut [f32], labels: &mut [f32], truth: &mut [f32]) {
        let mut rng = self.rng.clone();
        rng.set_stream(row);
        let (values, tabs) = values.split_at_mut(FEATURES);

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

        // The byte that no flag reads: rows with and without tabs differ in nothing else but labels.
        let tab = (flags >> 24) as usize * self.preferences.len() / 256;
        if let Some(column) = tabs.get_mut(tab) {
            *column = 1.0;
        }
        for (task, preference) in self.preferences[tab].iter().enumerate() {
            let mut score = INTERCEPTS[task] + dot(&preference.linear, &terms) + preference.products(&terms);
            if self.wave > 0.0 {
                score += self.wave * preference.sines(&terms);
            }
            let probability = 1.0 / (1.0 + (-score).exp());
            truth[task] = probability as f32;
            labels[task] = f32::from(uniform(rng.next_u32()) < probability);
        }
    }
}

impl Preference {
    fn products(&self, terms: &[f64; LINEAR]) -> f64 {
        (0..TRAITS).map(|i| self.products[i] * terms[i] * terms[TRAITS + i]).sum()
    }

    fn sines(&self, terms: &[f64; LINEAR]) -> f64 {
        let along = dot(&self.direction, terms);
        let sine = |(frequency, turn): (f64, u32)| (frequency * along + f64::from(turn) * FRAC_PI_2).sin();
        FREQUENCIES.into_iter().zip(1..).map(sine).sum()
    }
}

/// A vector a task.
type Pair<const N: usize> = [[f64; N]; TASKS.len()];

fn dot<const N: usize>(a: &[f64; N], b: &[f64; N]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Each tab's two vectors of length 1 with the cosine `correlation`: the tab's motive, and the cosine's part of it
/// with the next tab's. Motives are at right angles, in random directions; there are two also where there is one tab.
fn vectors<const N: usize>(rng: &mut ChaCha8Rng, config: &SynthConfig) -> Vec<Pair<N>> {
    let mut motives: Vec<[f64; N]> = Vec::new();
    for _ in 0..config.contexts.max(2) {
        let drawn: [f64; N] = std::array::from_fn(|_| normal(rng));
        let across = motives.iter().fold(drawn, |rest, motive| {
            let along = dot(motive, &rest);
            std::array::from_fn(|i| rest[i] - along * motive[i])
        });
        motives.push(across.map(|x| x / dot(&across, &across).sqrt()));
    }
    let cosine = config.correlation;
    let sine = (1.0 - cosine * cosine).sqrt();
    let of_tab = |tab: usize| {
        let (own, next) = (motives[tab], motives[(tab + 1) % motives.len()]);
        [own, std::array::from_fn(|i| cosine * own[i] + sine * next[i])]
    };
    (0..config.contexts).map(of_tab).collect()
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
