//! From values to places in a chart, with ticks at round numbers.

use crate::progress::count;

/// Ticks aimed at; rounding may double them.
const TICKS: f64 = 4.0;

/// An axis: a range of values, from tick to tick, on a range of places.
#[derive(Debug, Clone, Copy)]
pub struct Scale {
    /// First and last tick, in steps.
    ticks: (f64, f64),
    step: f64,
    places: (f64, f64),
}

impl Scale {
    /// Holds all values that are finite, widened to whole ticks; 0 to 1 if there are none.
    pub fn new(values: impl IntoIterator<Item = f64>, places: (f64, f64)) -> Self {
        let widen = |(low, high): (f64, f64), value: f64| (low.min(value), high.max(value));
        let finite = values.into_iter().filter(|value| value.is_finite());
        let (low, high) = match finite.fold((f64::INFINITY, f64::NEG_INFINITY), widen) {
            (low, high) if low > high => (0.0, 1.0),
            (low, high) if low == high => {
                // A single value stands in the middle.
                let half = (low.abs() / 100.0).max(1e-3);
                (low - half, high + half)
            }
            range => range,
        };
        let step = round_step((high - low) / TICKS);
        // What is a tick but for rounding does not need the next one.
        Self { ticks: ((low / step + 1e-9).floor(), (high / step - 1e-9).ceil()), step, places }
    }

    /// The first tick.
    pub fn low(&self) -> f64 {
        self.ticks.0 * self.step
    }

    /// The last tick.
    pub fn high(&self) -> f64 {
        self.ticks.1 * self.step
    }

    /// Where a value stands.
    pub fn at(&self, value: f64) -> f64 {
        let share = (value / self.step - self.ticks.0) / (self.ticks.1 - self.ticks.0);
        self.places.0 + share * (self.places.1 - self.places.0)
    }

    /// Places and texts of the ticks.
    pub fn ticks(&self) -> Vec<(f64, String)> {
        let decimals = (-self.step.log10().floor()).max(0.0) as usize;
        let tick = |i: usize| {
            let value = (self.ticks.0 + i as f64) * self.step;
            let text = if self.step >= 1000.0 { count(value) } else { format!("{value:.decimals$}") };
            // Below 0 and rounded to it.
            let text = if text.trim_start_matches(['-', '0', '.']).is_empty() { "0".into() } else { text };
            (self.at(value), text)
        };
        (0..=(self.ticks.1 - self.ticks.0) as usize).map(tick).collect()
    }
}

/// The next larger of 1, 2 and 5 times a power of ten.
fn round_step(least: f64) -> f64 {
    let power = 10f64.powf(least.log10().floor());
    let steps = [1.0, 2.0, 5.0].map(|digit| digit * power);
    steps.into_iter().find(|&step| step >= least * (1.0 - 1e-9)).unwrap_or(10.0 * power)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(values: &[f64]) -> Vec<String> {
        Scale::new(values.iter().copied(), (0.0, 100.0)).ticks().into_iter().map(|(_, text)| text).collect()
    }

    #[test]
    fn ticks_are_round_numbers_around_the_values() {
        assert_eq!(texts(&[0.0, 1.0]), ["0", "0.5", "1.0"]);
        assert_eq!(texts(&[0.8312, 0.8508]), ["0.830", "0.835", "0.840", "0.845", "0.850", "0.855"]);
        assert_eq!(texts(&[-0.0012, 0.0004]), ["-0.0015", "-0.0010", "-0.0005", "0", "0.0005"]);
        assert_eq!(texts(&[0.0, 8.0]), ["0", "2", "4", "6", "8"]);
        assert_eq!(texts(&[12_000.0, 63_000.0]), ["0", "20k", "40k", "60k", "80k"]);
    }

    #[test]
    fn a_scale_stands_whatever_the_values() {
        assert_eq!(texts(&[]), ["0", "0.5", "1.0"]);
        assert_eq!(texts(&[f64::NAN, f64::INFINITY]), ["0", "0.5", "1.0"]);
        assert_eq!(texts(&[0.0]).len(), 5);
        for value in [-3.5, 1e-30, 1e30] {
            let scale = Scale::new([value], (10.0, 0.0));
            assert!((scale.at(value) - 5.0).abs() < 2.6, "{value}");
        }
    }

    #[test]
    fn values_stand_between_the_places_in_proportion() {
        let scale = Scale::new([0.0, 10.0], (100.0, 0.0));
        assert_eq!([0.0, 2.5, 10.0].map(|value| scale.at(value)), [100.0, 75.0, 0.0]);
    }
}
