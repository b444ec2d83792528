//! What is computed of a raw row: by the engine that computes it of the rows of files, on a chunk of one.

use crate::epoch::Unit;
use crate::error::{Error, Result};
use crate::expression::{Expression, Rows};
use crate::missing::Missing;
use crate::schema::Schema;
use crate::value::Value;

/// A computed column of raw rows.
#[derive(Debug)]
pub(super) struct ComputedInput {
    pub name: String,
    pub expression: Expression,
    /// Which of the sources each of its columns is.
    pub sources: Vec<usize>,
    /// The number that it is, if it is one.
    pub number: Option<u32>,
    /// The fields that it is.
    pub fields: Vec<usize>,
}

/// The columns that expressions read.
#[derive(Debug, Default)]
pub(super) struct Sources {
    /// By number of the source, the column.
    pub columns: Vec<u32>,
    /// By column, one more than the number of the source; 0 for others. Empty where there are none.
    places: Vec<u32>,
}

/// What numbers are that a row does not give.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Absent {
    Missing,
    Zero,
}

impl Sources {
    /// The source that the column of this number is.
    pub fn add(&mut self, column: u32) -> usize {
        if let Some(place) = self.columns.iter().position(|&known| known == column) {
            return place;
        }
        self.places.resize(self.places.len().max(column as usize + 1), 0);
        self.columns.push(column);
        self.places[column as usize] = self.columns.len() as u32;
        self.columns.len() - 1
    }

    /// The values of a row that has none yet.
    pub fn none<'a>(&self, numbers: usize, absent: Absent) -> Vec<Value<'a>> {
        let none = |&column: &u32| match absent {
            Absent::Zero if (column as usize) < numbers => Value::Unsigned(0),
            _ => Value::Missing,
        };
        self.columns.iter().map(none).collect()
    }

    /// Puts a column's value where it belongs, if it is a source.
    #[inline]
    pub fn put<'a>(&self, column: u32, value: Value<'a>, values: &mut [Value<'a>]) {
        let place = self.places.get(column as usize).and_then(|place| place.checked_sub(1));
        if let Some(at) = place.and_then(|place| values.get_mut(place as usize)) {
            *at = value.trimmed();
        }
    }
}

/// The computed columns of a schema, and the columns that they read: `column` gives the number of the one with a name.
pub(super) fn computed(
    schema: &Schema,
    mut column: impl FnMut(&str) -> u32,
) -> Result<(Vec<ComputedInput>, Sources)> {
    let mut sources = Sources::default();
    let input = |(computed, expression): (&crate::computed::Computed, Expression)| ComputedInput {
        name: computed.name.clone(),
        sources: expression.columns().iter().map(|mention| sources.add(column(&mention.name))).collect(),
        number: (0..).zip(&schema.numeric).find(|(_, name)| **name == computed.name).map(|(i, _)| i),
        fields: (0..schema.fields.len()).filter(|&i| schema.fields[i].column == computed.name).collect(),
        expression,
    };
    let inputs = schema.computed.iter().zip(schema.expressions()?).map(input).collect();
    Ok((inputs, sources))
}

/// The sources of one row, as an expression finds them.
pub(super) struct OneRow<'r, 'a> {
    pub sources: &'r [usize],
    pub values: &'r [Value<'a>],
    pub missing: &'r Missing,
}

impl<'a> Rows<'a> for OneRow<'_, 'a> {
    fn len(&self) -> usize {
        1
    }

    fn value(&self, column: usize, _: usize) -> Value<'a> {
        match self.values[self.sources[column]] {
            Value::List(_) => Value::Missing,
            value => value,
        }
    }

    fn list<'l>(&self, column: usize, _: usize, _: &'l mut Vec<Value<'a>>) -> Value<'l>
    where
        'a: 'l,
    {
        self.values[self.sources[column]]
    }

    fn unit(&self, _: usize) -> Option<Unit> {
        None
    }

    fn missing(&self) -> &Missing {
        self.missing
    }
}

impl ComputedInput {
    /// Refuses a value that is a list where an expression reads one value.
    pub fn check(
        &self,
        values: &[Value<'_>],
        columns: &[String],
        sources: &Sources,
        row: usize,
    ) -> Result<()> {
        for (mention, &source) in self.expression.columns().iter().zip(&self.sources) {
            if let (true, list @ Value::List(_)) = (mention.single, values[source]) {
                let column = columns[sources.columns[source] as usize].as_str().into();
                return Err(Error::Input { row, column, expected: "one value", found: list.shown() });
            }
        }
        Ok(())
    }
}
