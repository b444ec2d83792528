//! Bringing numeric columns to a common scale, fitted on training rows only.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::log1p::ln_1p;
use crate::rows::{Layout, Numeric, SparseRows};
use crate::stats::ColumnStats;
use crate::table::Table;

/// What is done to the numeric columns.
///
/// Columns that hold only 0 and 1 in the training rows are left as they are: one-hot columns and flags already
/// have the scale of a standardised column, and moving their zeros would make a sparse table dense. A column
/// with one value in all training rows becomes 0, as nothing can be learnt from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Normalize {
    /// Nothing: values as in the file, constant columns too.
    None,
    /// Mean 0, standard deviation 1. The default.
    #[default]
    Standard,
    /// `sign(x) ln(1 + |x|)`, then as `standard`: for counts, amounts and durations.
    #[serde(rename = "log1p-standard")]
    Log1pStandard,
    /// Training minimum 0, training maximum 1. Values outside that range are not clipped.
    MinMax,
}

/// The map of one column: `(g(x - base) - shift) * scale`, where `g` is the identity or the signed logarithm.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Scaling {
    /// Whether `g(x) = sign(x) ln(1 + |x|)`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub log1p: bool,
    /// Taken off in double precision, before numbers are rounded to single: a number of the column, where they are so large that
    /// single precision does not tell them apart, such as unix seconds. Numbers of tables are less this. Default 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub base: f64,
    /// Taken off.
    pub shift: f32,
    /// Multiplied with.
    pub scale: f32,
    /// The normalised value of a missing cell, where those are replaced by the mean.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fill: Option<f32>,
}

/// The maps of all columns, and the form in which rows are kept afterwards; stored with the model.
///
/// The form is part of it so that a row is computed in the same way when the model is served as when it was
/// trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Normalizer {
    /// One map a column.
    pub columns: Vec<Scaling>,
    /// Dense or sparse, as fits the training rows best.
    pub layout: Layout,
}

impl Scaling {
    const IDENTITY: Scaling = Scaling { log1p: false, base: 0.0, shift: 0.0, scale: 1.0, fill: None };

    /// The normalised value of `x`, which is less the [`base`](Self::base); NaN, the mark of a missing cell, gives
    /// [`fill`](Self::fill).
    pub fn apply(self, x: f32) -> f32 {
        if let (true, Some(fill)) = (x.is_nan(), self.fill) {
            return fill;
        }
        let x = if self.log1p { signed_log1p(x) } else { x };
        (x - self.shift) * self.scale
    }

    pub(crate) fn fit(kind: Normalize, stats: &ColumnStats) -> Self {
        let log1p = kind == Normalize::Log1pStandard;
        let (shift, spread) = match kind {
            Normalize::None => return Scaling::IDENTITY,
            Normalize::Standard | Normalize::Log1pStandard => (stats.mean, stats.sd),
            Normalize::MinMax => (stats.min, stats.max - stats.min),
        };
        let scale = (1.0 / spread) as f32;
        // A spread so small that its inverse overflows is rounding noise around one value.
        if stats.is_constant() || !scale.is_finite() {
            return Scaling { log1p, shift: shift as f32, scale: 0.0, ..Scaling::IDENTITY };
        }
        if stats.indicator {
            return Scaling::IDENTITY;
        }
        Scaling { log1p, shift: shift as f32, scale, ..Scaling::IDENTITY }
    }

    /// Puts the mean in the place of missing cells; `mean` is that of the logarithms where there are logarithms.
    pub(crate) fn filling(self, mean: f64) -> Self {
        let fill = Scaling { log1p: false, ..self }.apply(mean as f32);
        Scaling { fill: Some(fill), ..self }
    }
}

impl Scaling {
    /// This map of an earlier fit, for data whose missing cells are or are not filled. What it filled with stays; else it is
    /// the `mean` of a fit of this `kind`, or the earlier mean where that is of another.
    pub(crate) fn filled_as(self, fill: bool, mean: f64, kind: Normalize) -> Self {
        let same = self.log1p == (kind == Normalize::Log1pStandard);
        match (fill, self.fill) {
            (false, _) => Scaling { fill: None, ..self },
            (true, Some(_)) => self,
            (true, None) if same => self.filling(mean),
            (true, None) => Scaling { fill: Some(0.0), ..self },
        }
    }
}

/// A column whose numbers lie so close to each other, for their size, that single precision has rounded what tells them apart.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Rounded {
    /// The column.
    pub column: usize,
    /// What its largest numbers are multiples of.
    pub step: f64,
    /// The standard deviation of what is left of them.
    pub sd: f64,
}

impl Rounded {
    /// So many steps in a standard deviation are enough.
    const STEPS: f64 = 1000.0;

    pub(crate) fn of(kind: Normalize, column: usize, stats: &ColumnStats) -> Option<Self> {
        // Logarithms are rounded relative to the numbers, and who normalises nothing wants these as they are.
        let scaled = matches!(kind, Normalize::Standard | Normalize::MinMax);
        let largest = stats.min.abs().max(stats.max.abs()) as f32;
        let step = f64::from(largest.next_up()) - f64::from(largest);
        // Below, not even whole numbers are rounded.
        (scaled && step > 1.0 && stats.sd < Self::STEPS * step).then_some(Rounded {
            column,
            step,
            sd: stats.sd,
        })
    }
}

fn is_zero(base: &f64) -> bool {
    *base == 0.0
}

fn signed_log1p(x: f32) -> f32 {
    ln_1p(x.abs()).copysign(x)
}

impl Normalizer {
    /// The same, of columns whose numbers were read less these bases, one a column.
    #[must_use]
    pub fn with_bases(mut self, bases: impl IntoIterator<Item = f64>) -> Self {
        self.columns.iter_mut().zip(bases).for_each(|(column, base)| column.base = base);
        self
    }

    /// The bases of the columns that have one, by name; `names` are those of all columns.
    pub fn bases<'a>(&'a self, names: &'a [String]) -> impl Iterator<Item = (&'a str, f64)> {
        let named = names.iter().zip(&self.columns).map(|(name, column)| (name.as_str(), column.base));
        named.filter(|&(_, base)| base != 0.0)
    }

    /// Leaves `width` columns as they are, in the given form.
    pub fn identity(width: usize, layout: Layout) -> Self {
        Normalizer { columns: vec![Scaling::IDENTITY; width], layout }
    }

    /// Normalises `table` in place and brings it to this normaliser's form. Exact in either form: where a
    /// column's zero does not stay zero, sparse rows get an explicit entry.
    ///
    /// # Errors
    /// [`Error::Shape`] where the table has another width, [`Error::TooLarge`] beyond 32-bit positions.
    pub fn apply(&self, table: &mut Table) -> Result<()> {
        if table.width() != self.columns.len() {
            let (expected, found) = (self.columns.len(), table.width());
            return Err(Error::Shape { what: "width", expected, found });
        }
        // First, as a value that becomes 0 stays stored among sparse ones: rows do not depend on how they came.
        table.set_layout(self.layout);
        match table.numeric_mut() {
            Numeric::Dense(dense) => {
                dense.values.par_chunks_exact_mut(self.columns.len().max(1)).for_each(|row| {
                    row.iter_mut().zip(&self.columns).for_each(|(x, scaling)| *x = scaling.apply(*x));
                });
            }
            Numeric::Sparse(sparse) => self.apply_sparse(sparse)?,
        }
        Ok(())
    }

    fn apply_sparse(&self, sparse: &mut SparseRows) -> Result<()> {
        // As many values as keep a thread busy for some ten microseconds.
        const SPAN: usize = 1 << 15;
        let spans = sparse.values.par_chunks_mut(SPAN).zip(sparse.columns.par_chunks(SPAN));
        spans.for_each(|(values, columns)| {
            for (value, &column) in values.iter_mut().zip(columns) {
                *value = self.columns[column as usize].apply(*value);
            }
        });
        let moved: Vec<(u32, f32)> = (0u32..)
            .zip(&self.columns)
            .map(|(column, scaling)| (column, scaling.apply(0.0)))
            .filter(|&(_, zero)| zero != 0.0)
            .collect();
        if moved.is_empty() { Ok(()) } else { write_zeros(sparse, &moved) }
    }
}

/// Adds the entries `zeros` (column, value; ascending) to every row that lacks them. Works backwards within the
/// same memory, as a second copy would double the peak of a large table.
fn write_zeros(sparse: &mut SparseRows, zeros: &[(u32, f32)]) -> Result<()> {
    let rows = sparse.rows();
    let moves = {
        let mut moves = vec![false; sparse.width];
        zeros.iter().for_each(|&(column, _)| moves[column as usize] = true);
        moves
    };
    let present = sparse.columns.iter().filter(|&&c| moves[c as usize]).count();
    let old_len = sparse.values.len();
    let new_len = old_len + rows * zeros.len() - present;
    u32::try_from(new_len).map_err(|_| Error::TooLarge)?;
    sparse.columns.reserve_exact(new_len - old_len);
    sparse.values.reserve_exact(new_len - old_len);
    sparse.columns.resize(new_len, 0);
    sparse.values.resize(new_len, 0.0);

    let highest = zeros.last().map_or(0, |&(column, _)| column);
    let (mut read_end, mut write) = (old_len, new_len);
    for row in (0..rows).rev() {
        let start = sparse.offsets[row] as usize;
        sparse.offsets[row + 1] = write as u32;
        // One-hot columns mostly follow the numeric ones: what needs no merging moves as a whole.
        let mut read = start + sparse.columns[start..read_end].partition_point(|&c| c <= highest);
        write -= read_end - read;
        sparse.columns.copy_within(read..read_end, write);
        sparse.values.copy_within(read..read_end, write);
        let mut left = zeros.len();
        while read > start || left > 0 {
            let stored = if read > start { Some(sparse.columns[read - 1]) } else { None };
            let zero = left.checked_sub(1).map(|i| zeros[i]);
            write -= 1;
            match (stored, zero) {
                (Some(column), zero) if zero.is_none_or(|(z, _)| z <= column) => {
                    read -= 1;
                    left -= usize::from(zero.is_some_and(|(z, _)| z == column));
                    sparse.columns[write] = column;
                    sparse.values[write] = sparse.values[read];
                }
                (_, Some((column, value))) => {
                    left -= 1;
                    sparse.columns[write] = column;
                    sparse.values[write] = value;
                }
                (_, None) => unreachable!("the first arm takes every stored value without a zero beside it"),
            }
        }
        read_end = start;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::DenseRows;
    use crate::stats::column_stats;

    fn table(width: usize, values: &[f32]) -> Table {
        let rows = values.len() / width;
        let numeric = Numeric::Dense(DenseRows { width, values: values.to_vec() });
        Table::new(numeric, vec![0.0; rows], vec![1.0; rows], 1).unwrap()
    }

    #[test]
    fn sparse_and_dense_rows_normalise_to_the_same_values() {
        // Columns: amounts, a flag, a constant, amounts with zeros, all zero.
        let raw =
            table(5, &[3., 0., 7., 0., 0., 5., 1., 7., 9., 0., 0., 0., 7., -2., 0., 4., 1., 7., 0., 0.]);
        for kind in [Normalize::None, Normalize::Standard, Normalize::Log1pStandard, Normalize::MinMax] {
            let fitted = Normalizer::fit(&raw, kind);
            let apply = |start: Layout, end: Layout| {
                let mut table = raw.clone();
                table.set_layout(start);
                Normalizer { layout: end, ..fitted.clone() }.apply(&mut table).unwrap();
                assert_eq!(table.numeric().layout(), end);
                table.numeric().to_dense()
            };
            let dense = apply(Layout::Dense, Layout::Dense);
            assert_eq!(apply(Layout::Sparse, Layout::Sparse), dense);
            assert_eq!(apply(Layout::Sparse, Layout::Dense), dense);
            assert_eq!(apply(Layout::Dense, Layout::Sparse), dense);
            let flag: Vec<f32> = (0..4).map(|row| dense.row(row)[1]).collect();
            assert_eq!(flag, [0.0, 1.0, 0.0, 1.0], "{kind:?} leaves a flag as it is");
            let constant = if kind == Normalize::None { 7.0 } else { 0.0 };
            assert!((0..4).all(|row| dense.row(row)[2] == constant), "{kind:?} on a constant column");
        }
    }

    #[test]
    fn standard_columns_have_mean_zero_and_deviation_one() {
        let mut rows = table(1, &[1.0, 2.0, 3.0, 4.0]);
        Normalizer::fit(&rows, Normalize::Standard).apply(&mut rows).unwrap();
        let stats = column_stats(&rows, f64::from)[0];
        approx::assert_abs_diff_eq!(stats.mean, 0.0, epsilon = 1e-6);
        approx::assert_abs_diff_eq!(stats.sd, 1.0, epsilon = 1e-6);
    }

    #[test]
    fn values_outside_the_training_range_are_not_clipped() {
        let fitted = Normalizer::fit(&table(1, &[10.0, 20.0, 15.0]), Normalize::MinMax);
        let mut rows = table(1, &[25.0, 5.0]);
        fitted.apply(&mut rows).unwrap();
        assert_eq!(rows.numeric().to_dense().values, [1.5, -0.5]);
    }

    #[test]
    fn log1p_keeps_the_sign() {
        let fitted = Normalizer::fit(&table(1, &[-1.0, 1.0, -1.0, 1.0]), Normalize::Log1pStandard);
        approx::assert_relative_eq!(fitted.columns[0].apply(1.0), 1.0, max_relative = 1e-6);
        approx::assert_relative_eq!(fitted.columns[0].apply(-1.0), -1.0, max_relative = 1e-6);
    }
}
