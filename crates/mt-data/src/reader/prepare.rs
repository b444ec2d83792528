//! What the files of one reading have in common: side tables, and how values become codes.

use std::sync::Arc;

use mt_features::{
    Field, Missing, Schema, Value,
    fields::{self, Coder, Encoders, Encoding, FieldCoder, Ids, Interner, Memo},
};
use rayon::prelude::*;

use super::plan::{Prepared, PreparedField};
use super::request::Request;
use super::side::Side;
use crate::error::{Error, Found, Result};

/// Rows of a side table that a worker encodes at once. Fixed, so that results do not depend on threads.
const CHUNK: usize = 4096;

/// How fields become codes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Coding<'a> {
    /// Rows of fitted tables.
    Fitted(&'a Encoders),
    /// Numbers in order of appearance, to be fitted.
    Unfitted,
}

/// The tables of `schema`'s fields as the configuration writes them.
pub(crate) fn tables(schema: &Schema, configs: &[fields::FieldConfig]) -> Result<Vec<(String, Encoding)>> {
    let names: Vec<String> = schema.fields.iter().map(|field| field.name.clone()).collect();
    fields::check_attention(configs, &names)?;
    Ok(fields::tables(configs, &names)?)
}

/// Prepares reading for `schema`; `columns` are the names of a file's own columns and, behind the first `own`, those
/// of the side tables. The interners, one a table, know the side tables' values.
pub(super) fn prepare(
    request: &Request,
    schema: &Schema,
    coding: Coding<'_>,
    sides: Arc<Vec<Side>>,
    columns: &[String],
    own: usize,
) -> Result<(Prepared, Vec<Interner>)> {
    let (names, coders): (Vec<String>, Vec<Coder>) = match coding {
        Coding::Fitted(encoders) => {
            encoders.check(schema)?;
            encoders.tables.iter().map(|table| (table.name.clone(), Coder::frozen(table))).unzip()
        }
        Coding::Unfitted => {
            let tables = tables(schema, &request.data.fields)?;
            let coders = fields::coders(&tables);
            (tables.into_iter().map(|(name, _)| name).collect(), coders)
        }
    };
    let mut interners: Vec<Interner> = names.iter().map(|_| Interner::default()).collect();
    let delimiter = request.csv.delimiter_byte()?;
    let mut prepared = Prepared { delimiter, sides, coders: Arc::new(coders), fields: Vec::new() };
    for field in &schema.fields {
        let Some(table) = names.iter().position(|name| *name == field.table) else {
            let (field, table) = (field.name.clone(), field.table.clone());
            return Err(mt_features::Error::NoEncoder { field, table }.into());
        };
        let is = |name: &String| *name == field.column && schema.computed(name).is_none();
        let behind = columns[own..].iter().position(is);
        let codes = match behind.map(|behind| super::plan::Origin::behind(&prepared.sides, behind)) {
            Some(super::plan::Origin::Side { join, column }) => {
                let side = &prepared.sides[join as usize];
                let coder = &prepared.coders[table];
                Some(Arc::new(codes(side, column as usize, field, coder, request, &mut interners[table])?))
            }
            _ => None,
        };
        prepared.fields.push(PreparedField { table, codes });
    }
    Ok((prepared, interners))
}

/// The codes of a whole column of a side table, so that a row only copies them. Chunks of rows are encoded in
/// parallel, each with numbers of its own, and renumbered in order.
fn codes(
    side: &Side,
    column: usize,
    field: &Field,
    coder: &Coder,
    request: &Request,
    interner: &mut Interner,
) -> Result<Ids> {
    let missing = Missing::new(&request.csv.missing);
    let none = || if field.list.is_some() { Ids::list() } else { Ids::single() };
    let encode = |start: usize| -> Result<(Ids, Interner)> {
        let (mut ids, mut values, mut buffer) = (none(), Interner::default(), Vec::new());
        let mut encoder =
            FieldCoder { coder, list: field.list.as_ref(), missing: &missing, memo: Memo::default() };
        for row in start..side.rows().min(start + CHUNK) {
            let cell = side.cell(row, column);
            let encoded = encoder.encode(Value::Text(cell), &mut values, &mut buffer, &mut ids);
            encoded.map_err(|expected| Error::Field {
                place: side.place(row, column),
                field: field.column.as_str().into(),
                expected: expected.into(),
                found: Found(String::from_utf8_lossy(cell).into_owned()),
                record: row as u64 + 1,
            })?;
        }
        Ok((ids, values))
    };
    let starts: Vec<usize> = (0..side.rows()).step_by(CHUNK).collect();
    let chunks: Vec<Result<(Ids, Interner)>> = starts.par_iter().map(|&start| encode(start)).collect();
    let mut all = none();
    for chunk in chunks {
        let (mut ids, values) = chunk?;
        if coder.numbers() || coder.lists_keys() {
            interner.renumber(&values, &mut ids.rows);
        }
        all.append(&ids)?;
    }
    all.keys = coder.lists_keys().then(|| Arc::new(interner.keys()));
    Ok(all)
}
