//! Tree-structured Parzen estimator (Bergstra et al. 2011, "Algorithms for Hyper-Parameter Optimization", section 4).
//!
//! Trials so far are split into the best few and the others; each key gets a density of either, `l` and `g`, and of values
//! drawn from `l` the one with the largest `l / g` is taken.
//!
//! Own code: the crates for it bring a random generator of their own whose values may change with a version, or take only
//! trials that they drew themselves, which a sweep that goes on cannot give them.

use super::draws::Draws;
use super::space::{Dimension, Domain};

/// Share of the trials that are the best: γ of the paper.
const GOOD: f64 = 0.15;

/// Values drawn a key.
const CANDIDATES: usize = 24;

/// A value near those of the best trials. `trials` are places, one a dimension, the best trials first.
pub fn draw(space: &[Dimension], trials: &[Vec<f64>], draws: &mut Draws) -> Vec<f64> {
    let good = (GOOD * trials.len() as f64).ceil() as usize;
    let place = |(d, dimension): (usize, &Dimension)| {
        let of = |trials: &[Vec<f64>]| -> Vec<f64> { trials.iter().map(|places| places[d]).collect() };
        let choices = match &dimension.domain {
            Domain::Choice(choices) => Some(choices.len()),
            Domain::Range { .. } => None,
        };
        let [l, g] = [&trials[..good], &trials[good..]].map(|trials| Density::new(of(trials), choices));
        let mut best = (f64::NEG_INFINITY, 0.0);
        for _ in 0..CANDIDATES {
            let place = l.draw(draws);
            let gain = l.at(place).ln() - g.at(place).ln();
            if gain > best.0 {
                best = (gain, place);
            }
        }
        best.1
    };
    space.iter().enumerate().map(place).collect()
}

/// A density on the unit interval.
enum Density {
    /// Equal weights of normal kernels, each with its width, cut off at the ends; and of the uniform density, the prior.
    Kernels(Vec<(f64, f64)>),
    /// Of `n` choices.
    Weights(Vec<f64>),
}

impl Density {
    fn new(mut places: Vec<f64>, choices: Option<usize>) -> Self {
        if let Some(n) = choices {
            // One trial of each beforehand.
            let mut weights = vec![1.0; n];
            places.iter().for_each(|place| weights[choice(*place, n)] += 1.0);
            let sum: f64 = weights.iter().sum();
            return Self::Weights(weights.iter().map(|weight| weight / sum).collect());
        }
        places.sort_by(f64::total_cmp);
        // As wide as the way to the farther neighbour, an end of the interval counting as one; not so narrow that no
        // other value is ever drawn.
        let least = 1.0 / (1.0 + places.len() as f64).min(100.0);
        let kernel = |(i, &place): (usize, &f64)| {
            let left = if i == 0 { 0.0 } else { places[i - 1] };
            let right = places.get(i + 1).copied().unwrap_or(1.0);
            (place, (place - left).max(right - place).clamp(least, 1.0))
        };
        Self::Kernels(places.iter().enumerate().map(kernel).collect())
    }

    fn at(&self, place: f64) -> f64 {
        match self {
            Self::Weights(weights) => weights[choice(place, weights.len())],
            Self::Kernels(kernels) => {
                let kernel = |&(mean, width): &(f64, f64)| {
                    let z = (place - mean) / width;
                    let inside = normal((1.0 - mean) / width) - normal(-mean / width);
                    (-0.5 * z * z).exp() / (width * (2.0 * std::f64::consts::PI).sqrt() * inside)
                };
                (1.0 + kernels.iter().map(kernel).sum::<f64>()) / (1.0 + kernels.len() as f64)
            }
        }
    }

    fn draw(&self, draws: &mut Draws) -> f64 {
        match self {
            Self::Weights(weights) => {
                let mut left = draws.uniform();
                let found = weights.iter().position(|weight| {
                    left -= weight;
                    left < 0.0
                });
                (found.unwrap_or(weights.len() - 1) as f64 + 0.5) / weights.len() as f64
            }
            Self::Kernels(kernels) => {
                let which = (draws.uniform() * (kernels.len() + 1) as f64) as usize;
                match kernels.get(which) {
                    None => draws.uniform(),
                    Some(&(mean, width)) => loop {
                        // At least a third of a kernel is inside, so this ends soon.
                        let place = mean + width * draws.normal();
                        if (0.0..=1.0).contains(&place) {
                            break place;
                        }
                    },
                }
            }
        }
    }
}

fn choice(place: f64, n: usize) -> usize {
    ((place * n as f64) as usize).min(n - 1)
}

/// Distribution function of the standard normal by the tanh approximation, within 2e-4: it only weighs kernels.
fn normal(z: f64) -> f64 {
    0.5 * (1.0 + (0.797_884_56 * (z + 0.044_715 * z.powi(3))).tanh())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn densities_sum_to_one() {
        for places in [vec![], vec![0.2], vec![0.0, 0.01, 0.5, 1.0]] {
            let kernels = Density::new(places.clone(), None);
            let sum: f64 = (0..1000).map(|i| kernels.at((i as f64 + 0.5) / 1000.0)).sum();
            assert!((sum / 1000.0 - 1.0).abs() < 2e-3, "{places:?}: {sum}");
            let weights = Density::new(places, Some(3));
            let sum: f64 = [0.1, 0.5, 0.9].map(|place| weights.at(place)).iter().sum();
            assert!((sum - 1.0).abs() < 1e-12);
        }
    }

    #[test]
    fn it_finds_the_valley_sooner_than_chance() {
        let space: Vec<Dimension> = ["train.dropout=uniform(0, 1)", "model.experts=[1, 2, 4, 8]"]
            .map(|text| text.parse().expect("good"))
            .to_vec();
        let loss = |places: &Vec<f64>| (places[0] - 0.3).abs() + (places[1] - 0.625).abs();
        let search = |seed, guided: bool| {
            let mut trials: Vec<Vec<f64>> = Vec::new();
            for trial in 0..40 {
                let mut draws = Draws::new(seed, trial);
                trials.sort_by(|a, b| loss(a).total_cmp(&loss(b)));
                let places = match guided && trial >= 10 {
                    true => draw(&space, &trials, &mut draws),
                    false => vec![draws.uniform(), draws.uniform()],
                };
                // The middle of a choice's share, as a record gives it.
                trials.push(space.iter().zip(places).filter_map(|(d, p)| d.place(&d.set(p))).collect());
            }
            trials.iter().map(loss).fold(f64::INFINITY, f64::min)
        };
        let mean = |guided| (0..20).map(|seed| search(seed, guided)).sum::<f64>() / 20.0;
        assert!(mean(true) < 0.6 * mean(false), "{} {}", mean(true), mean(false));
    }
}
