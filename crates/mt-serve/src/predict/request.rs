//! From the text of a request to encoded rows, in one pass.

use std::borrow::Cow;
use std::fmt;

use mt_features::error::Nearest;
use mt_features::{Column, RawRows};
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::digits;
use crate::cell::{Cell, push};
use crate::fault::Fault;

/// What a request says beside its rows.
#[derive(Debug, Default)]
pub(super) struct Request {
    pub score: Option<String>,
    pub top_k: Option<usize>,
}

/// Reads the rows of a request into `rows`.
pub(super) fn read(body: &[u8], rows: &mut RawRows, limit: usize) -> Result<Request, Fault> {
    let before = rows.len();
    match pass(body, rows, limit, false) {
        Err(Ended::Rounded) => {
            rows.truncate(before);
            pass(&digits::quoted(body), rows, limit, true)
        }
        done => done,
    }
    .map_err(|ended| match ended {
        Ended::TooMany => Fault::too_large(format!("expected at most {limit} rows a request, found more")),
        Ended::Rounded => Fault::bad("a number that cannot be read"),
        Ended::Bad(error) => Fault::bad(error),
    })
}

/// Why reading ended.
enum Ended {
    TooMany,
    /// A number may be a whole one that 64 bits do not hold, which is told apart by its digits alone.
    Rounded,
    Bad(serde_json::Error),
}

/// Reads a request; `exact` says that no whole number in it is longer than 64 bits.
fn pass(body: &[u8], rows: &mut RawRows, limit: usize, exact: bool) -> Result<Request, Ended> {
    let mut ended = None;
    let mut json = serde_json::Deserializer::from_slice(body);
    let seed = RequestSeed { rows: Rows { rows, limit, exact, ended: &mut ended } };
    let read = seed.deserialize(&mut json).and_then(|request| json.end().map(|()| request));
    read.map_err(|error| match ended {
        Some(ended) => ended,
        // Even for an `f64` there are too many digits.
        None if !exact && error.to_string().contains("number out of range") => Ended::Rounded,
        None => Ended::Bad(error),
    })
}

struct RequestSeed<'a> {
    rows: Rows<'a>,
}

/// Where rows go.
struct Rows<'a> {
    rows: &'a mut RawRows,
    limit: usize,
    exact: bool,
    ended: &'a mut Option<Ended>,
}

struct Row<'a> {
    rows: &'a mut RawRows,
    exact: bool,
    ended: &'a mut Option<Ended>,
}

/// A name: nearly always without escapes, and then not copied.
pub(crate) struct Name<'a>(pub Cow<'a, str>);

const KEYS: [&str; 3] = ["rows", "score", "top_k"];

impl<'de> DeserializeSeed<'de> for RequestSeed<'_> {
    type Value = Request;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Request, D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for RequestSeed<'_> {
    type Value = Request;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object {\"rows\": [{COLUMN: VALUE, ...}, ...]}")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Request, A::Error> {
        let mut request = Request::default();
        let mut seen = [false; KEYS.len()];
        while let Some(Name(key)) = map.next_key()? {
            let Some(which) = KEYS.iter().position(|known| *known == key) else {
                let nearest = Nearest::of(&key, &KEYS.map(str::to_owned));
                let known = KEYS.join(", ");
                return Err(de::Error::custom(format!("unknown key {key:?}{nearest} (there are {known})")));
            };
            if std::mem::replace(&mut seen[which], true) {
                return Err(de::Error::custom(format!("{key:?} is there twice")));
            }
            match which {
                0 => map.next_value_seed(&mut self.rows)?,
                1 => request.score = map.next_value()?,
                _ => request.top_k = map.next_value()?,
            }
        }
        match seen[0] {
            true => Ok(request),
            false => Err(de::Error::missing_field("rows")),
        }
    }
}

impl<'de> DeserializeSeed<'de> for &mut Rows<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for &mut Rows<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of rows")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut rows: A) -> Result<(), A::Error> {
        let Rows { rows: to, limit, exact, ended } = self;
        while rows.next_element_seed(Row { rows: to, exact: *exact, ended })?.is_some() {
            if to.len() > *limit {
                **ended = Some(Ended::TooMany);
                return Err(de::Error::custom("too many rows"));
            }
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Row<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Row<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a row, an object {COLUMN: VALUE, ...}")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Row { rows, exact, ended } = self;
        let encoder = rows.encoder().clone();
        let mut cells: Vec<(Column, Cell<'de>)> = Vec::with_capacity(encoder.columns().len().min(64));
        while let Some(Name(name)) = map.next_key()? {
            let row = rows.len();
            let column =
                encoder.column(&name).map_err(|error| de::Error::custom(format!("row {row}: {error}")))?;
            let cell: Cell<'de> = map
                .next_value()
                .map_err(|error| de::Error::custom(format!("row {row}: column \"{name}\": {error}")))?;
            if !exact && cell.may_be_rounded() {
                *ended = Some(Ended::Rounded);
                return Err(de::Error::custom("a number to be read by its digits"));
            }
            cells.push((column, cell));
        }
        push(rows, &cells).map_err(de::Error::custom)
    }
}

impl<'de> de::Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        struct NameVisitor;
        impl<'de> Visitor<'de> for NameVisitor {
            type Value = Name<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }

            fn visit_borrowed_str<E: de::Error>(self, name: &'de str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Borrowed(name)))
            }

            fn visit_str<E: de::Error>(self, name: &str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Owned(name.to_owned())))
            }
        }
        json.deserialize_str(NameVisitor)
    }
}
