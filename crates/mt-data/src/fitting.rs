//! What is fitted on the rows to train on, or stands of an earlier fit: the same of rows in memory and of such that come block by block.

use mt_features::fields::{self, Counts, Encoders, Interner, Recoding};
use mt_features::{Fit, Normalizer, NormalizerFit, NumericMissing, Rounded, Schema};

use crate::config::DataConfig;
use crate::error::Result;
use crate::reader::tables;

/// A data section, its columns, and what stands of an earlier fit.
#[derive(Clone, Copy)]
pub(crate) struct Fitting<'a> {
    pub data: &'a DataConfig,
    pub schema: &'a Schema,
    pub fit: Fit<'a>,
}

impl Fitting<'_> {
    /// Counts of values, without any yet, of the tables that are fitted by them.
    pub fn counts(&self) -> Result<Counts> {
        Ok(Counts::new(&fields::fitted(&tables(self.schema, &self.data.fields)?), self.schema))
    }

    /// Encoders of fields, and what they make of the values that were `interned`.
    pub fn encoders(
        &self,
        interned: Vec<Interner>,
        counts: impl FnOnce() -> Result<Counts>,
    ) -> Result<(Encoders, Recoding)> {
        let of_fields = tables(self.schema, &self.data.fields)?;
        match self.fit {
            Fit::As(fitted) => {
                let recoding = fields::recoding(&of_fields, interned, self.schema, fitted.encoders)?;
                Ok((fitted.encoders.clone(), recoding))
            }
            fit => {
                let known = fit.kept().map(|fitted| fitted.encoders);
                Ok(fields::fit(&of_fields, interned, self.schema, counts()?, known))
            }
        }
    }

    /// Of the sums over the numbers their normaliser, and the columns that were rounded. `bases` were taken off the numbers before.
    pub fn normalizer(
        &self,
        bases: &[f64],
        numbers: impl FnOnce() -> NormalizerFit,
    ) -> (Normalizer, Vec<Rounded>) {
        if let Fit::As(fitted) = self.fit {
            return (fitted.normalizer.clone(), Vec::new());
        }
        let fill = self.data.numeric_missing == NumericMissing::Mean;
        let known = |column: usize| self.fit.kept()?.scaling(&self.schema.numeric[column]);
        let (fitted, rounded) = numbers().finish(fill, known);
        (fitted.with_bases(bases.iter().copied()), rounded)
    }

    /// The numeric columns in the order of the files, of which `own` is the schema: in which rows have their identity.
    pub fn columns(&self, own: impl FnOnce() -> Result<Schema>) -> Result<Vec<String>> {
        match self.fit {
            Fit::As(_) => Ok(own()?.numeric),
            _ => Ok(self.schema.numeric.clone()),
        }
    }
}
