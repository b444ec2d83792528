//! Fitting a normaliser on training rows, all at once or block by block.

use std::f64::consts::LN_2;

use crate::normalize::{Normalize, Normalizer, Rounded, Scaling};
use crate::rows::Layout;
use crate::stats::{ColumnStats, Moments};
use crate::table::Table;

impl Normalizer {
    /// Fits the maps on `train`, which must hold training rows only and no missing cells.
    pub fn fit(train: &Table, kind: Normalize) -> Self {
        NormalizerFit::of(train, kind).finish(false, |_| None).0
    }
}

/// A fit on rows that come in blocks: all of them once, then all of them once more, in the same order.
///
/// Each block but the last has a multiple of [`NormalizerFit::BLOCK`] rows; what is fitted is then that of one table, to the bit.
pub struct NormalizerFit {
    kind: Normalize,
    moments: Moments,
}

impl NormalizerFit {
    /// Rows of a block, or a multiple of them.
    pub const BLOCK: usize = crate::stats::CHUNK;

    /// A fit of `width` columns.
    pub fn new(width: usize, kind: Normalize) -> Self {
        Self { kind, moments: Moments::new(width) }
    }

    /// That of all rows at once.
    pub fn of(table: &Table, kind: Normalize) -> Self {
        let mut fit = Self::new(table.width(), kind);
        fit.look(table);
        fit.look_again(table);
        fit
    }

    fn value(&self) -> fn(f32) -> f64 {
        match self.kind {
            Normalize::Log1pStandard => log,
            _ => f64::from,
        }
    }

    /// Takes the next rows of the first pass.
    pub fn look(&mut self, table: &Table) {
        let value = self.value();
        self.moments.look(table, value);
    }

    /// Takes the next rows of the second pass.
    pub fn look_again(&mut self, table: &Table) {
        let value = self.value();
        self.moments.look_again(table, value);
    }

    /// The maps. With `fill`, cells may be missing (NaN) and become their column's mean; the map of a column that is `known` stays as it
    /// is. Beside the maps, the columns whose numbers were rounded before they came here, by how much.
    pub fn finish(&self, fill: bool, known: impl Fn(usize) -> Option<Scaling>) -> (Normalizer, Vec<Rounded>) {
        let (kind, rows, stats) = (self.kind, self.moments.rows(), self.moments.stats());
        let scaling = |(column, stats): (usize, &ColumnStats)| match known(column) {
            Some(kept) => kept.filled_as(fill, stats.mean, kind),
            None if fill => Scaling::fit(kind, stats).filling(stats.mean),
            None => Scaling::fit(kind, stats),
        };
        let columns: Vec<Scaling> = stats.iter().enumerate().map(scaling).collect();
        let explicit = |(scaling, stats): (&Scaling, &ColumnStats)| match scaling.apply(0.0) == 0.0 {
            true => ((1.0 - stats.zeros) * rows as f64).round() as u64,
            false => rows as u64,
        };
        let explicit = columns.iter().zip(&stats).map(explicit).sum();
        let layout = Layout::choose(explicit, (rows * stats.len()) as u64);
        let rounded = stats.iter().enumerate().filter_map(|(column, stats)| Rounded::of(kind, column, stats));
        (Normalizer { columns, layout }, rounded.collect())
    }
}

/// The signed logarithm. Most entries of a wide table are ones: their logarithm need not be computed again and again.
fn log(x: f32) -> f64 {
    if x == 1.0 { LN_2 } else { libm::log1p(f64::from(x).abs()).copysign(f64::from(x)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::{DenseRows, Numeric};

    #[test]
    fn blocks_are_fitted_as_the_table_that_they_make() {
        let rows = 2 * NormalizerFit::BLOCK + 17;
        let value = |i: usize| (i * i % 1013) as f32 / 7.0 - 3.0;
        let of = |from: usize, to: usize| {
            let values = (2 * from..2 * to).map(value).collect();
            let numeric = Numeric::Dense(DenseRows { width: 2, values });
            Table::new(numeric, vec![0.0; to - from], vec![1.0; to - from], 1).expect("a table")
        };
        let ends = [0, NormalizerFit::BLOCK, 2 * NormalizerFit::BLOCK, rows];
        for kind in [Normalize::Standard, Normalize::Log1pStandard, Normalize::MinMax] {
            let mut fit = NormalizerFit::new(2, kind);
            ends.windows(2).for_each(|pair| fit.look(&of(pair[0], pair[1])));
            ends.windows(2).for_each(|pair| fit.look_again(&of(pair[0], pair[1])));
            let whole = Normalizer::fit(&of(0, rows), kind);
            assert_eq!(fit.finish(false, |_| None).0, whole);
        }
    }
}
