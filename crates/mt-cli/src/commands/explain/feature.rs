//! What is shuffled, and the predictions that come of it.

use anyhow::Result;
use mt_bundle::Predictor;
use mt_features::{Ids, Numeric, Schema, SparseRows, Table};

/// Columns that are shuffled together.
#[derive(Debug)]
pub struct Feature {
    pub name: String,
    what: What,
}

#[derive(Debug)]
enum What {
    /// Numeric columns, ascending.
    Columns(Vec<usize>),
    /// A field, and lists that run in parallel to it; a list of values stays whole.
    Fields(Vec<usize>),
}

/// All of a schema. With `group`, numeric columns whose names are the same up to the first `=` are one.
pub fn features(schema: &Schema, group: bool) -> Vec<Feature> {
    let mut features: Vec<Feature> = Vec::new();
    for (column, name) in schema.numeric.iter().enumerate() {
        let prefix = name.split_once('=').filter(|_| group).map(|(prefix, _)| prefix);
        let same = prefix.and_then(|prefix| features.iter_mut().find(|feature| feature.name == prefix));
        match same.map(|feature| &mut feature.what) {
            Some(What::Columns(columns)) => columns.push(column),
            _ => {
                let name = prefix.unwrap_or(name).to_owned();
                features.push(Feature { name, what: What::Columns(vec![column]) });
            }
        }
    }
    let (fields, parallel) = (&schema.fields, schema.parallel());
    let beside = |f: usize| parallel.iter().filter(move |(_, first)| *first == f).map(|(other, _)| *other);
    let alone = (0..fields.len()).filter(|f| !parallel.iter().any(|(other, _)| other == f));
    let field = |f: usize| Feature {
        name: fields[f].name.clone(),
        what: What::Fields([f].into_iter().chain(beside(f)).collect()),
    };
    features.extend(alone.map(field));
    features
}

impl Feature {
    pub fn kind(&self) -> &'static str {
        match &self.what {
            What::Columns(columns) if columns.len() == 1 => "column",
            What::Fields(fields) if fields.len() == 1 => "field",
            What::Columns(_) | What::Fields(_) => "group",
        }
    }

    /// The values in the rows of a table.
    pub fn values<'a>(&'a self, table: &'a Table) -> Values<'a> {
        match &self.what {
            What::Fields(fields) => {
                Values::Ids(fields.iter().map(|&field| (field, &table.fields()[field])).collect())
            }
            What::Columns(columns) => {
                let mut values = vec![0.0; table.len() * columns.len()];
                for (row, out) in values.chunks_exact_mut(columns.len()).enumerate() {
                    match table.numeric() {
                        Numeric::Dense(dense) => {
                            let row = dense.row(row);
                            out.iter_mut().zip(columns).for_each(|(out, &column)| *out = row[column]);
                        }
                        Numeric::Sparse(sparse) => {
                            let (stored, values) = sparse.row(row);
                            for (out, &column) in out.iter_mut().zip(columns) {
                                let at = stored.binary_search(&(column as u32));
                                *out = at.map_or(0.0, |at| values[at]);
                            }
                        }
                    }
                }
                Values::Numbers { columns, values }
            }
        }
    }
}

/// A feature's values in all rows.
#[derive(Debug)]
pub enum Values<'a> {
    Numbers {
        columns: &'a [usize],
        /// Row-major, one a column.
        values: Vec<f32>,
    },
    /// Of fields by their place.
    Ids(Vec<(usize, &'a Ids)>),
}

/// Rows predicted at once: many enough for the arithmetic, few enough for the cache.
const ROWS: usize = 4096;

impl Values<'_> {
    fn same(&self, a: usize, b: usize) -> bool {
        match self {
            Values::Numbers { columns, values } => {
                let of = |row: usize| &values[row * columns.len()..][..columns.len()];
                of(a) == of(b)
            }
            Values::Ids(fields) => fields.iter().all(|(_, ids)| ids.of(a) == ids.of(b)),
        }
    }

    /// Whether all rows have the same.
    pub fn is_constant(&self) -> bool {
        let rows = match self {
            Values::Numbers { columns, values } => values.len() / columns.len(),
            Values::Ids(fields) => fields.first().map_or(0, |(_, ids)| ids.len()),
        };
        (1..rows).all(|row| self.same(row, 0))
    }

    /// The predictions where row `i` has the values of row `sources[i]` here, and its own elsewhere. Only rows that
    /// differ are computed, few for a column that is rarely not zero; the others are in `base`.
    pub fn predict_shuffled(
        &self,
        predictor: &Predictor,
        table: &Table,
        sources: &[u32],
        base: &[f32],
    ) -> Result<Vec<f32>> {
        let differs = |&row: &u32| !self.same(row as usize, sources[row as usize] as usize);
        let rows: Vec<u32> = (0..table.len() as u32).filter(differs).collect();
        let (mut predictions, width) = (base.to_vec(), predictor.width());
        for rows in rows.chunks(ROWS) {
            let mut batch = table.gather(rows);
            let from = rows.iter().map(|&row| sources[row as usize] as usize);
            match self {
                Values::Ids(fields) => {
                    fields.iter().for_each(|(field, ids)| batch.fields[*field] = gather(ids, from.clone()));
                }
                Values::Numbers { columns, values } => {
                    let new = from.map(|row| &values[row * columns.len()..][..columns.len()]);
                    replace(&mut batch.numeric, columns, new);
                }
            }
            let own = predictor.predict(batch.numeric, batch.fields)?;
            for (&row, own) in rows.iter().zip(own.chunks_exact(width)) {
                predictions[row as usize * width..][..width].copy_from_slice(own);
            }
        }
        Ok(predictions)
    }
}

/// These records, in this order.
fn gather(ids: &Ids, records: impl Iterator<Item = usize>) -> Ids {
    let none = if ids.offsets.is_some() { Ids::list() } else { Ids::single() };
    let mut gathered = Ids { keys: ids.keys.clone(), ..none };
    for record in records {
        gathered.rows.extend_from_slice(ids.of(record));
        if let Some(offsets) = &mut gathered.offsets {
            offsets.push(gathered.rows.len() as u32);
        }
    }
    gathered
}

/// Gives `columns` of each row new values.
fn replace<'a>(numeric: &mut Numeric, columns: &[usize], new: impl Iterator<Item = &'a [f32]>) {
    match numeric {
        Numeric::Dense(dense) => {
            for (row, new) in dense.values.chunks_exact_mut(dense.width).zip(new) {
                columns.iter().zip(new).for_each(|(&column, &new)| row[column] = new);
            }
        }
        Numeric::Sparse(sparse) => {
            let mut replaced = SparseRows::empty(sparse.width);
            let mut entries: Vec<(u32, f32)> = Vec::new();
            for (row, new) in new.enumerate() {
                let (stored, values) = sparse.row(row);
                let others = stored.iter().copied().zip(values.iter().copied());
                entries.clear();
                entries
                    .extend(others.filter(|&(column, _)| columns.binary_search(&(column as usize)).is_err()));
                let new = columns.iter().map(|&column| column as u32).zip(new.iter().copied());
                entries.extend(new.filter(|&(_, value)| value != 0.0));
                entries.sort_unstable_by_key(|&(column, _)| column);
                replaced.columns.extend(entries.iter().map(|&(column, _)| column));
                replaced.values.extend(entries.iter().map(|&(_, value)| value));
                replaced.offsets.push(replaced.values.len() as u32);
            }
            *sparse = replaced;
        }
    }
}

#[cfg(test)]
mod tests {

    use super::*;
    use mt_features::{Attention, DenseRows, Field, List, Pooling};

    #[test]
    fn a_column_of_sparse_rows_is_replaced_as_that_of_dense_ones() {
        let dense = DenseRows { width: 4, values: vec![0.0, 1.0, 0.0, 2.0, 3.0, 0.0, 0.0, 0.0] };
        let new = [[5.0, 0.0], [0.0, 6.0]];
        let mut forms = [Numeric::Sparse(dense.to_sparse()), Numeric::Dense(dense)];
        for numeric in &mut forms {
            replace(numeric, &[0, 3], new.iter().map(|new| &new[..]));
            assert_eq!(numeric.to_dense().values, [5.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 6.0]);
        }
    }

    #[test]
    fn lists_in_parallel_are_shuffled_together() {
        let field = |name: &str, pooling: Option<Pooling>| Field {
            name: name.to_owned(),
            column: name.to_owned(),
            table: name.to_owned(),
            list: pooling.map(|pooling| List { separator: ' ', pooling, keep: None }),
        };
        let attention = |query: &str, beside: Option<&str>| {
            Some(Pooling::Attention(Attention { query: query.to_owned(), beside: beside.map(str::to_owned) }))
        };
        let fields = vec![
            field("makers", attention("maker", Some("seen"))),
            field("item", None),
            field("maker", None),
            field("seen", attention("item", None)),
        ];
        let schema = Schema { numeric: vec!["age".to_owned()], fields, ..Schema::default() };
        let found = features(&schema, false);
        let found: Vec<_> = found.iter().map(|feature| (&*feature.name, feature.kind())).collect();
        assert_eq!(found, [("age", "column"), ("item", "field"), ("maker", "field"), ("seen", "group")]);
    }

    #[test]
    fn lists_are_shuffled_whole() {
        let ids = Ids { offsets: Some(vec![0, 2, 2, 3]), rows: vec![7, 8, 9], keys: None };
        let shuffled = gather(&ids, [2, 0, 1].into_iter());
        assert_eq!(shuffled, Ids { offsets: Some(vec![0, 1, 3, 3]), rows: vec![9, 7, 8], keys: None });
    }
}
