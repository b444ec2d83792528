//! A curve in a line of text.

use std::fmt;

/// Characters of a curve.
const WIDTH: usize = 24;
const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// All values so far, in 24 characters: neighbours are averaged where there are more, so that it always shows the
/// whole way.
#[derive(Debug, Default)]
pub struct Sparkline {
    /// Means of `each` values; at most twice the width.
    means: Vec<f64>,
    each: usize,
    /// Values of the next mean.
    open: Vec<f64>,
}

impl Sparkline {
    /// Appends a value, which is finite.
    pub fn push(&mut self, value: f64) {
        self.each = self.each.max(1);
        self.open.push(value);
        if self.open.len() < self.each {
            return;
        }
        self.means.push(mean(&self.open));
        self.open.clear();
        if self.means.len() == 2 * WIDTH {
            self.means = self.means.chunks(2).map(mean).collect();
            self.each *= 2;
        }
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

impl fmt::Display for Sparkline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = self.means.chunks(if self.means.len() > WIDTH { 2 } else { 1 }).map(mean);
        let columns: Vec<f64> = columns.collect();
        let (low, high) = columns.iter().fold((f64::MAX, f64::MIN), |(l, h), &x| (l.min(x), h.max(x)));
        for value in columns {
            let share = if high > low { (value - low) / (high - low) } else { 0.0 };
            write!(f, "{}", LEVELS[(share * (LEVELS.len() - 1) as f64).round() as usize])?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(values: impl IntoIterator<Item = f64>) -> String {
        let mut line = Sparkline::default();
        values.into_iter().for_each(|value| line.push(value));
        line.to_string()
    }

    #[test]
    fn the_highest_value_is_a_full_block_and_the_lowest_a_line() {
        assert_eq!(line([]), "");
        assert_eq!(line([3.0]), "▁");
        assert_eq!(line([1.0, 0.5, 0.0]), "█▅▁");
    }

    #[test]
    fn a_long_curve_keeps_its_form_within_the_width() {
        for count in [24, 25, 47, 48, 100, 5000] {
            let drawn = line((0..count).rev().map(f64::from));
            let width = drawn.chars().count();
            assert!((12..=WIDTH).contains(&width), "{count}: {width}");
            assert!(drawn.starts_with('█') && drawn.ends_with('▁'), "{count}: {drawn}");
            assert!(drawn.chars().rev().is_sorted(), "{count}: {drawn}");
        }
    }
}
