//! What was fitted on the training rows of a model, for rows that come after it.

use crate::fields::Encoders;
use crate::normalize::{Normalizer, Scaling};
use crate::schema::Schema;

/// Columns, and what was fitted on them.
#[derive(Debug, Clone, Copy)]
pub struct Fitted<'a> {
    /// The columns.
    pub schema: &'a Schema,
    /// How its numeric columns are scaled.
    pub normalizer: &'a Normalizer,
    /// How values of its fields become table rows.
    pub encoders: &'a Encoders,
}

/// What of an earlier fit stands when data is read.
#[derive(Debug, Clone, Copy, Default)]
pub enum Fit<'a> {
    /// Nothing: everything is fitted on the training rows.
    #[default]
    Anew,
    /// All of it: the rows are read as the model that exists reads them. With a header its columns are found by name, in
    /// any order, and others are left out.
    As(Fitted<'a>),
    /// The scaling of numeric columns that it knows by name, and the edges of buckets in tables that it knows by name. All
    /// else is fitted on the training rows.
    Keep(Fitted<'a>),
}

impl<'a> Fitted<'a> {
    /// The scaling of the column of this name; none of a column that was constant, of which nothing was learnt.
    pub fn scaling(self, name: &str) -> Option<Scaling> {
        let column = self.schema.numeric.iter().position(|own| own == name)?;
        self.normalizer.columns.get(column).copied().filter(|scaling| scaling.scale != 0.0)
    }
}

impl<'a> Fit<'a> {
    /// The fit whose scaling and edges are kept.
    pub fn kept(self) -> Option<Fitted<'a>> {
        if let Fit::Keep(fitted) = self { Some(fitted) } else { None }
    }
}
