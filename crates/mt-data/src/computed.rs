//! Columns that no file has: they are computed of others, in training and in serving by the same code.

use serde::{Deserialize, Serialize};

use crate::config::DataConfig;
use crate::error::{Error, Nearest, Result};
use crate::expression::{Expression, Problem};
use crate::schema::Schema;

/// A numeric input that is computed, as written in `data.numbers`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NumberConfig {
    /// Its name, which no column of the files has.
    pub name: String,
    /// An expression over columns, for example `play_time_ms / duration_ms`.
    pub value: String,
}

/// A column that is computed. It stands beside those of the files: numbers and fields read it by its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Computed {
    /// Its name.
    pub name: String,
    /// An expression over columns of the files.
    pub value: String,
}

/// A computed column as a configuration asks for it.
pub(crate) struct Asked {
    /// The configuration key up to `name` and `value`.
    pub key: String,
    pub column: Computed,
    /// Whether it is a field's, not a number.
    pub of_field: bool,
}

/// The computed columns that `data` asks for: those of fields first.
pub(crate) fn asked(data: &DataConfig) -> Vec<Asked> {
    let fields = data.fields.iter().enumerate().filter_map(|(i, field)| {
        let (name, value) = (field.name.clone()?, field.value.clone()?);
        Some(Asked { key: format!("data.fields[{i}]"), column: Computed { name, value }, of_field: true })
    });
    let numbers = data.numbers.iter().enumerate().map(|(i, number)| {
        let NumberConfig { name, value } = number.clone();
        Asked { key: format!("data.numbers[{i}]"), column: Computed { name, value }, of_field: false }
    });
    fields.chain(numbers).collect()
}

/// What stands between the values of a column's lists, where they are written as texts: as fields read them, else as the
/// expression of an input writes it.
#[cfg(feature = "parquet")]
pub(crate) fn separator_of(data: &DataConfig, column: &str) -> Option<char> {
    let of_expression = |asked: &Asked| {
        let expression = Expression::parse_value(&asked.column.value).ok()?;
        let mention = expression.columns().iter().find(|mention| mention.name == column)?;
        mention.list.flatten()
    };
    let of_fields = crate::fields::separator_of(&data.fields, column);
    of_fields.or_else(|| asked(data).iter().find_map(of_expression))
}

/// Checks the names of computed columns against each other.
pub(crate) fn check(data: &DataConfig) -> Result<()> {
    let asked = asked(data);
    for (i, Asked { key, column, .. }) in asked.iter().enumerate() {
        let refuse =
            |expected, found: String| Err(Error::Entry { key: format!("{key}.name"), expected, found });
        if column.name.is_empty() {
            return refuse("a name", "\"\"".to_owned());
        }
        if asked[..i].iter().any(|other| other.column.name == column.name) {
            return refuse(
                "another name for each input that is computed",
                format!("{:?} again", column.name),
            );
        }
    }
    Ok(())
}

impl Schema {
    /// The place of the computed column called `name`.
    pub(crate) fn computed(&self, name: &str) -> Option<usize> {
        self.computed.iter().position(|computed| computed.name == name)
    }

    /// How many of the numeric columns, the first ones, are the files' own.
    pub(crate) fn own_numbers(&self) -> usize {
        let own = |name: &&String| self.computed(name).is_none();
        self.numeric.iter().take_while(own).count()
    }

    /// The expressions of the computed columns.
    pub(crate) fn expressions(&self) -> Result<Vec<Expression>> {
        let separator = |column: &str| {
            let mut fields = self.fields.iter().filter(|field| field.column == column);
            fields.find_map(|field| field.list).map(|list| list.separator)
        };
        let expression = |computed: &Computed| {
            let Computed { name, value } = computed;
            let read = Expression::parse_value(value).and_then(|mut expression| {
                expression.separate(separator)?;
                Ok(expression)
            });
            read.map_err(|Problem { at, problem }| {
                let key = format!("computed column {name:?}");
                Error::Expression { key, text: value.clone(), at, problem, nearest: Nearest(None) }
            })
        };
        self.computed.iter().map(expression).collect()
    }

    /// Checks what is computed: a schema may come from a file that anyone wrote.
    pub(crate) fn check_computed(&self) -> Result<()> {
        let refuse = |name: &str, expected, found: String| {
            Err(Error::Entry { key: format!("computed column {name:?}"), expected, found })
        };
        let expressions = self.expressions()?;
        for (i, (Computed { name, .. }, expression)) in self.computed.iter().zip(&expressions).enumerate() {
            let number = self.numeric.iter().position(|numeric| numeric == name);
            if self.computed(name) != Some(i) {
                return refuse(name, "another name for each", "it again".to_owned());
            }
            if number.is_some_and(|number| number < self.own_numbers() || expression.is_text()) {
                return refuse(name, "a number behind those of the files", "something else".to_owned());
            }
        }
        let behind = &self.numeric[self.own_numbers()..];
        match behind.iter().find(|name| self.computed(name).is_none()) {
            Some(name) => refuse(name, "an expression, as those before it are computed", "none".to_owned()),
            None => Ok(()),
        }
    }
}
