//! Rows for a model: as raw values for our predictor, and as a client sends them to another runtime.

use std::collections::BTreeMap;

use mt_bundle::{Predictor, RawRows, Signature, Value};
use mt_features::{NumericMissing, Pooling};
use serde_json::{Value as Json, json};

/// Rows in both forms, and what is predicted for them.
pub struct Case {
    /// Shape and values of each input.
    pub inputs: BTreeMap<String, Json>,
    /// Shape and values of each output.
    pub expected: BTreeMap<String, Json>,
}

const ROWS: usize = 37;

/// A row of whole numbers that look drawn: of `row` and `column`, below `n`.
fn draw(row: usize, column: usize, n: u64) -> u64 {
    let mixed = (row as u64 * 1_000 + column as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 33) % n
}

/// Rows with known, unknown and missing values, empty lists and lists of several lengths.
pub fn case(predictor: &Predictor, tables: bool) -> Case {
    let signature = predictor.signature();
    let Signature { schema, missing, .. } = signature;
    let (mut raw, mut numbers) = (predictor.rows(), Vec::new());
    for row in 0..ROWS {
        let base = |column: usize| signature.normalizer.columns[column].base;
        let number = |column: usize| match draw(row, column, 10) {
            0 if missing.numeric != NumericMissing::Fail => None,
            0..5 if column > 3 => Some(0.0),
            1 => Some(3.0e-8),
            _ => Some((draw(row, column + 500, 8_000) as f32 - 2_000.0) / 2_000.0),
        };
        let number = |column: usize| match base(column) {
            0.0 => number(column).map(f64::from),
            base => number(column).map(|x| f64::from(x) + base),
        };
        let given: Vec<Option<f64>> = (0..schema.numeric.len()).map(number).collect();
        let user = format!("u{}", draw(row, 900, 25));
        let list = |column, most, n| -> Vec<Value<'_>> {
            (0..draw(row, column, most) as usize).map(|i| Value::from(draw(row, column + i + 1, n))).collect()
        };
        let (seen, mut tags, words) = (list(910, 6, 500), list(930, 4, 12), list(950, 3, 12));
        if !schema.parallel().is_empty() {
            tags = (0..seen.len()).map(|i| Value::from(draw(row, 970 + i, 12))).collect();
        }
        let mut values: Vec<(&str, Value<'_>)> =
            schema.numeric.iter().map(String::as_str).zip(given.iter().map(|x| Value::from(*x))).collect();
        if !schema.fields.is_empty() {
            values.push(("user", user.as_str().into()));
            values.push(("item", if row == 3 { Value::Missing } else { draw(row, 901, 500).into() }));
            values.extend([
                ("seen", Value::List(&seen)),
                ("tags", Value::List(&tags)),
                ("words", Value::List(&words)),
            ]);
        }
        raw.push(values).expect("a good row");
        numbers.extend(given.into_iter().map(|x| x.unwrap_or(f64::NAN)));
    }
    let mut inputs = BTreeMap::new();
    if !schema.numeric.is_empty() {
        inputs.insert("numeric".to_owned(), tensor(&[ROWS, schema.numeric.len()], &numbers));
    }
    for (i, field) in schema.fields.iter().enumerate() {
        let input = if tables { padded(&raw, i) } else { pooled(predictor, &raw, i) };
        inputs.insert(field.name.clone(), input);
    }
    Case { inputs, expected: expected(predictor, &raw) }
}

fn expected(predictor: &Predictor, raw: &RawRows) -> BTreeMap<String, Json> {
    let predictions = predictor.predict_rows(raw).expect("predictions");
    let mut expected = BTreeMap::new();
    for task in predictor.signature().schema.predicted() {
        let of = |row| predictions.task(row, &task.name).expect("a task");
        let values: Vec<f32> = (0..ROWS).flat_map(of).copied().collect();
        let classes = task.kind.outputs();
        let shape = if matches!(task.kind, mt_models::TaskKind::Multiclass { .. }) {
            vec![ROWS, classes]
        } else {
            vec![ROWS]
        };
        expected.insert(task.name.clone(), tensor(&shape, &values));
    }
    expected
}

fn tensor(shape: &[usize], values: &[impl serde::Serialize]) -> Json {
    json!({ "shape": shape, "values": values })
}

/// Table rows, lists filled up with -1.
fn padded(raw: &RawRows, field: usize) -> Json {
    let ids = &raw.fields()[field];
    if ids.offsets.is_none() {
        return json!({ "shape": [ROWS], "values": ids.rows });
    }
    let longest = (0..ROWS).map(|row| ids.of(row).len()).max().unwrap_or(1);
    let filled = |row| {
        let own = ids.of(row).iter().map(|&id| i64::from(id));
        own.chain(std::iter::repeat(-1)).take(longest)
    };
    let values: Vec<i64> = (0..ROWS).flat_map(filled).collect();
    json!({ "shape": [ROWS, longest], "values": values })
}

/// Embeddings pooled as a client without our code would do it.
fn pooled(predictor: &Predictor, raw: &RawRows, field: usize) -> Json {
    let of = &predictor.signature().schema.fields[field];
    let table = predictor.table(&of.table).expect("a table").to_vec2::<f32>().expect("rows");
    let width = table[0].len();
    let pooling = of.list.as_ref().map_or(&Pooling::Sum, |list| &list.pooling);
    let mut values = Vec::new();
    for row in 0..ROWS {
        let rows: Vec<&Vec<f32>> =
            raw.fields()[field].of(row).iter().map(|&id| &table[id as usize]).collect();
        values.extend((0..width).map(|k| {
            let column = rows.iter().map(|row| row[k]);
            match pooling {
                _ if rows.is_empty() => 0.0,
                Pooling::Sum => column.sum(),
                Pooling::Mean => column.sum::<f32>() / rows.len() as f32,
                Pooling::Max => column.fold(f32::NEG_INFINITY, f32::max),
                Pooling::Attention(_) | Pooling::SelfAttention(_) => panic!("read value by value"),
            }
        }));
    }
    tensor(&[ROWS, width], &values)
}
