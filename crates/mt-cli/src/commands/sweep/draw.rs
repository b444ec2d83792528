//! Which values a trial has: all combinations in turn, by chance, or by what was good so far.

use super::draws::Draws;
use super::space::Dimension;
use super::tpe;
use crate::args::MethodArg;

/// Trials by chance before the first that looks at the others.
const STARTUP: usize = 10;

/// Draws of a trial that was there before, before it is taken all the same.
const REDRAWS: usize = 100;

/// Number of combinations, if it is finite.
pub fn combinations(space: &[Dimension]) -> Option<usize> {
    space.iter().try_fold(1usize, |product, dimension| product.checked_mul(dimension.domain.size()?))
}

/// What trial number `trial`, from 1, sets. `done` are earlier trials, the best first.
pub fn overrides(
    space: &[Dimension],
    method: MethodArg,
    seed: u64,
    trial: usize,
    done: &[&[String]],
) -> Vec<String> {
    let said = |places: Vec<f64>| -> Vec<String> {
        space.iter().zip(places).map(|(dimension, place)| dimension.set(place)).collect()
    };
    if method == MethodArg::Grid {
        let mut left = trial - 1;
        let place = |dimension: &Dimension| {
            let size = dimension.domain.size().unwrap_or(1);
            let at = left % size;
            left /= size;
            (at as f64 + 0.5) / size as f64
        };
        // The last key turns fastest, as in a counter.
        let mut places: Vec<f64> = space.iter().rev().map(place).collect();
        places.reverse();
        return said(places);
    }
    let places = |set: &&[String]| -> Option<Vec<f64>> {
        // Of the configuration as it is there are none.
        (set.len() == space.len()).then(|| space.iter().zip(*set).map(|(d, set)| d.place(set)).collect())?
    };
    let earlier: Vec<Vec<f64>> = done.iter().filter_map(places).collect();
    let mut draws = Draws::new(seed, trial);
    let mut draw = || match method {
        MethodArg::Tpe if earlier.len() >= STARTUP => said(tpe::draw(space, &earlier, &mut draws)),
        _ => said(space.iter().map(|_| draws.uniform()).collect()),
    };
    let mut drawn = draw();
    for _ in 0..REDRAWS {
        if !done.contains(&&drawn[..]) {
            break;
        }
        drawn = draw();
    }
    drawn
}

#[cfg(test)]
mod tests {
    use super::*;

    fn space(texts: &[&str]) -> Vec<Dimension> {
        texts.iter().map(|text| text.parse().expect("good")).collect()
    }

    #[test]
    fn a_grid_has_every_combination_once() {
        let space = space(&["model.experts=[2, 4, 8]", "train.epochs=int(1, 2)"]);
        assert_eq!(combinations(&space), Some(6));
        let all: Vec<String> =
            (1..=6).map(|trial| overrides(&space, MethodArg::Grid, 1, trial, &[]).join(" ")).collect();
        assert_eq!(
            all[..3],
            [
                "model.experts=2 train.epochs=1",
                "model.experts=2 train.epochs=2",
                "model.experts=4 train.epochs=1"
            ]
        );
        assert_eq!(all.iter().collect::<std::collections::BTreeSet<_>>().len(), 6);
    }

    #[test]
    fn a_trial_is_drawn_by_seed_and_number_alone_and_not_twice() {
        let space = space(&["model.experts=[2, 4, 8]"]);
        let draw = |seed, trial, done: &[&[String]]| overrides(&space, MethodArg::Random, seed, trial, done);
        assert_eq!(draw(1, 3, &[]), draw(1, 3, &[]));
        let (two, four) = (["model.experts=2".to_owned()], ["model.experts=4".to_owned()]);
        for trial in 1..20 {
            assert_eq!(draw(1, trial, &[&two, &four, &[]]), ["model.experts=8"]);
        }
        let sides: Vec<bool> = (0..2000).map(|trial| Draws::new(5, trial).uniform() < 0.5).collect();
        assert!((900..1100).contains(&sides.iter().filter(|side| **side).count()));
    }
}
