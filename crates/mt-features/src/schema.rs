//! What a model is trained on: its numeric columns, its fields and its tasks. Stored with the model.

use serde::{Deserialize, Serialize};

use crate::computed::Computed;
use crate::error::{Error, Nearest, Result};
use crate::expression::{Expression, Problem};
use crate::fields::attention::Seen;
use crate::fields::{self, Attention, Pooling};
use crate::head::{self, Head};
use crate::task::{Task, check_products};

/// The columns of a [`Batch`](crate::Batch), by name and in order.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Schema {
    /// Names of the numeric feature columns, in order; `column 17` (counted from 0) where a file has no names.
    pub numeric: Vec<String>,
    /// Columns looked up in embedding tables, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<Field>,
    /// The tasks, in order.
    pub tasks: Vec<Task>,
    /// Columns that are computed of those of the files. Of numbers, the computed ones come last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub computed: Vec<Computed>,
}

/// A categorical or multi-valued column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Field {
    /// Unique name.
    pub name: String,
    /// Name of its column, as in [`Schema::numeric`].
    pub column: String,
    /// Its embedding table, which other fields may share.
    pub table: String,
    /// Set where a cell holds several values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub list: Option<List>,
}

impl Field {
    /// Set where its list is read value by value, with an eye on a candidate.
    pub fn attention(&self) -> Option<&Attention> {
        self.list.as_ref().and_then(|list| list.pooling.attention())
    }
}

/// How a cell holds several values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct List {
    /// Between two values; ASCII.
    pub separator: char,
    /// How the embeddings of several values become one.
    pub pooling: Pooling,
    /// Which values count; all of them where `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep: Option<Keep>,
}

/// Which values of a list count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Keep {
    /// So many from its start.
    First(usize),
    /// So many before its end.
    Last(usize),
}

impl Keep {
    /// How many values count.
    pub fn most(self) -> usize {
        let (Self::First(most) | Self::Last(most)) = self;
        most
    }
}

impl Schema {
    /// Position of the task called `name`.
    pub fn task(&self, name: &str) -> Option<usize> {
        self.tasks.iter().position(|task| task.name == name)
    }

    /// What a network computes for the tasks, in order; see [`heads`](head::heads()).
    pub fn heads(&self) -> Vec<Head> {
        head::heads(&self.tasks)
    }

    /// What a model predicts, in order: the tasks, then the heads without a label; see [`predicted`](head::predicted()).
    pub fn predicted(&self) -> Vec<Task> {
        head::predicted(&self.tasks)
    }

    /// Position of the field called `name`.
    pub fn field(&self, name: &str) -> Option<usize> {
        self.fields.iter().position(|field| field.name == name)
    }

    /// Checks what the fields and tasks of a configuration are checked for: a schema may come from a file that anyone wrote.
    pub fn check(&self) -> Result<()> {
        self.check_computed()?;
        check_products(&self.tasks)?;
        let refuse = |field: &Field, part: &str, expected, found: String| {
            Err(Error::Entry { key: format!("field {:?}: {part}", field.name), expected, found })
        };
        for field in &self.fields {
            if self.numeric.contains(&field.column) {
                return refuse(field, "column", "one that is no number", format!("{:?}", field.column));
            }
            match &field.list {
                Some(List { separator, .. }) if !fields::separates(*separator) => {
                    return refuse(field, "separator", fields::SEPARATOR, format!("{separator:?}"));
                }
                Some(List { keep: Some(Keep::First(0) | Keep::Last(0)), .. }) => {
                    return refuse(field, "keep", "at least 1", "0".to_owned());
                }
                _ => {}
            }
        }
        let seen = self.fields.iter().map(|field| Seen {
            name: &field.name,
            list: field.list.is_some(),
            most: field.list.as_ref().and_then(|list| list.keep).map(Keep::most),
            pooling: field.list.as_ref().map_or("", |list| list.pooling.name()),
            attention: field.attention(),
        });
        let seen: Vec<Seen> = seen.collect();
        fields::attention::check(&seen, |i, part| format!("field {:?}: {part}", seen[i].name))
    }
}

/// Lists that are read with attention.
impl Schema {
    /// Fields whose lists are read with attention, each with those beside it behind it: positions among the fields, in their order.
    pub fn sequences(&self) -> Vec<Vec<usize>> {
        let beside = |f: &usize| self.fields[*f].attention().map(|attention| attention.beside.as_deref());
        let all = || 0..self.fields.len();
        let first = all().filter(|f| beside(f) == Some(None));
        let others = |first: usize| all().filter(move |f| beside(f) == Some(Some(&self.fields[first].name)));
        first.map(|first| [first].into_iter().chain(others(first)).collect()).collect()
    }

    /// Of each field beside another one the positions of both: their lists have to be equally long.
    pub fn parallel(&self) -> Vec<(usize, usize)> {
        let pairs =
            |fields: Vec<usize>| fields[1..].iter().map(|&other| (other, fields[0])).collect::<Vec<_>>();
        self.sequences().into_iter().flat_map(pairs).collect()
    }
}

/// What is computed.
impl Schema {
    /// The place of the computed column called `name`.
    pub fn computed(&self, name: &str) -> Option<usize> {
        self.computed.iter().position(|computed| computed.name == name)
    }

    /// How many of the numeric columns, the first ones, are the files' own.
    pub fn own_numbers(&self) -> usize {
        let own = |name: &&String| self.computed(name).is_none();
        self.numeric.iter().take_while(own).count()
    }

    /// The expressions of the computed columns.
    pub fn expressions(&self) -> Result<Vec<Expression>> {
        let separator = |column: &str| {
            let mut fields = self.fields.iter().filter(|field| field.column == column);
            fields.find_map(|field| field.list.as_ref()).map(|list| list.separator)
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
