//! Lists that are read with an eye on the candidate: which field that is, and which lists run in parallel.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// What the values of a list are read with an eye on.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attention {
    /// The field with the candidate's value: one a row, with embeddings as wide as those of the list.
    pub query: String,
    /// Another field pooled alike, of whose values these say more: the lists are equally long, and are read as one.
    /// Default: a list of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beside: Option<String>,
}

/// Values of a list whose positions are learned: each has a vector, and gradients of all are summed apart for each few rows.
const MOST: usize = 4096;

/// A field as far as attention is concerned.
pub(crate) struct Seen<'a> {
    pub name: &'a str,
    pub list: bool,
    /// How many values its list has at most, where that is said.
    pub most: Option<usize>,
    /// What its pooling is called.
    pub pooling: &'static str,
    pub attention: Option<&'a Attention>,
}

/// Checks what attention names. `key` is how an error names part of a field.
pub(crate) fn check(fields: &[Seen], key: impl Fn(usize, &str) -> String) -> Result<()> {
    let named = |name: &str| fields.iter().find(|field| field.name == name);
    for (i, field) in fields.iter().enumerate() {
        let Some(Attention { query, beside }) = field.attention else { continue };
        let refuse = |part: &str, expected, found: String| {
            Err(Error::Entry { key: key(i, &format!("pooling.{}.{part}", field.pooling)), expected, found })
        };
        let positions = field.pooling == "self_attention";
        if positions && !field.most.is_some_and(|most| (1..=MOST).contains(&most)) {
            let expected = "how many values count, here or in `first`, from 1 to 4096: self_attention learns each position";
            let found = field.most.map_or_else(|| "none".to_owned(), |most| most.to_string());
            return Err(Error::Entry { key: key(i, "last"), expected, found });
        }
        match named(query) {
            Some(Seen { list: false, .. }) => {}
            Some(_) => return refuse("query", "a field with one value", format!("the list {query:?}")),
            None => return refuse("query", "the name of a field with one value", format!("{query:?}")),
        }
        let Some(beside) = beside else { continue };
        let first = named(beside).filter(|first| first.pooling == field.pooling);
        if first.and_then(|first| first.attention).is_none_or(|first| first.beside.is_some()) {
            let expected = match positions {
                false => "the name of a field with attention that is beside no other",
                true => "the name of a field with self_attention that is beside no other",
            };
            return refuse("beside", expected, format!("{beside:?}"));
        }
    }
    Ok(())
}

/// What a list beside another one has to have.
pub const PARALLEL: &str = "as many values as the list that it stands beside has";
