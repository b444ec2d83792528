//! Lists that are read with an eye on the candidate: which field that is, and which lists run in parallel.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Attention of a candidate over the values of a list.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attention {
    /// The field with the candidate's value: one a row, with embeddings as wide as those of the list.
    pub query: String,
    /// Another field with attention, of whose values these say more: the lists are equally long, and have their weights in common.
    /// Default: a list of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beside: Option<String>,
}

/// A field as far as attention is concerned.
pub(crate) struct Seen<'a> {
    pub name: &'a str,
    pub list: bool,
    pub attention: Option<&'a Attention>,
}

/// Checks what attention names. `key` is how an error names part of a field.
pub(crate) fn check(fields: &[Seen], key: impl Fn(usize, &str) -> String) -> Result<()> {
    let named = |name: &str| fields.iter().find(|field| field.name == name);
    for (i, field) in fields.iter().enumerate() {
        let Some(Attention { query, beside }) = field.attention else { continue };
        let refuse = |part: &str, expected, found: String| {
            Err(Error::Entry { key: key(i, &format!("pooling.attention.{part}")), expected, found })
        };
        match named(query) {
            Some(Seen { list: false, .. }) => {}
            Some(_) => return refuse("query", "a field with one value", format!("the list {query:?}")),
            None => return refuse("query", "the name of a field with one value", format!("{query:?}")),
        }
        let Some(beside) = beside else { continue };
        let first = named(beside).and_then(|field| field.attention);
        if first.is_none_or(|first| first.beside.is_some()) {
            let expected = "the name of a field with attention that is beside no other";
            return refuse("beside", expected, format!("{beside:?}"));
        }
    }
    Ok(())
}

/// What a list beside another one has to have.
pub const PARALLEL: &str = "as many values as the list that it stands beside has";
