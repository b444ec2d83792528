//! Numbers so large that single precision does not tell them apart: times that count from 1970, dates as digits.

use mt_features::Numeric;

/// Rows that are looked at. Later ones do not count, so that nothing need be read twice.
pub(crate) const ROWS: usize = 1000;
/// From here on, not even every whole number is one of single precision; up to what 64 bits count, which times and identifiers
/// are. What is taken off larger numbers might leave some that have no place in single precision.
const LARGE: std::ops::Range<f32> = 16_777_216.0..9.2e18;

/// The first large number of each column.
pub(super) struct Large {
    first: Vec<Option<f32>>,
    rows: usize,
}

impl Large {
    /// Of so many columns.
    pub fn of(columns: usize) -> Self {
        Large { first: vec![None; columns], rows: 0 }
    }

    /// Looks at the next rows; whether these were enough.
    pub fn look(&mut self, numeric: &Numeric) -> bool {
        let rows = numeric.rows().min(ROWS - self.rows);
        let first = &mut self.first;
        let mut see = |column: usize, x: f32| {
            if LARGE.contains(&x.abs()) && first[column].is_none() {
                first[column] = Some(x);
            }
        };
        for row in 0..rows {
            match numeric {
                Numeric::Dense(dense) => {
                    dense.row(row).iter().enumerate().for_each(|(column, &x)| see(column, x));
                }
                Numeric::Sparse(sparse) => {
                    let (columns, values) = sparse.row(row);
                    columns.iter().zip(values).for_each(|(&column, &x)| see(column as usize, x));
                }
            }
        }
        self.rows += rows;
        self.rows == ROWS
    }

    /// What is to be taken off the numbers of each column, if anything: a number near the others.
    pub fn bases(&self) -> impl Iterator<Item = Option<f64>> {
        self.first.iter().map(|first| first.map(f64::from))
    }
}
