//! Where a key was set, for errors found after parsing: in the file, or by an override.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::text::walk;

/// What a configuration was read from.
pub(super) struct Origin<'a> {
    pub text: &'a str,
    /// The file's name.
    pub name: &'a str,
    /// As `key.path=value`.
    pub overrides: &'a [String],
}

impl Origin<'_> {
    /// The place to blame for what is wrong with a key, or with several joined by ` + `: the last override that set
    /// it, a part of it or what it is a part of; else where it stands in the file.
    pub fn place(&self, keys: &str) -> String {
        let keys: Vec<Vec<String>> = keys.split(" + ").map(steps).collect();
        let touches = |set: &String| {
            let set = steps(set.split_once('=').map_or(set.as_str(), |(path, _)| path));
            keys.iter().any(|key| key.iter().zip(&set).all(|(a, b)| a == b))
        };
        match self.overrides.iter().rfind(|set| touches(set)) {
            Some(set) => format!("--set {set}"),
            None => keys.first().map_or_else(|| self.name.to_owned(), |key| place(self.text, self.name, key)),
        }
    }
}

/// The steps of a path like `model.levels[0].expert`.
fn steps(path: &str) -> Vec<String> {
    path.replace('[', ".").replace(']', "").split('.').map(str::to_owned).collect()
}

/// `origin:line:column` of the value at a path, or of its nearest ancestor in the text.
fn place(text: &str, origin: &str, path: &[String]) -> String {
    let mut steps: Vec<&str> = path.iter().map(String::as_str).collect();
    while !steps.is_empty() {
        // The walk ends in an error at the value; the parser adds the position to it.
        if let Some((_, line, column)) = walk(text, Walk(&steps)).filter(|(said, ..)| said.contains(FOUND)) {
            return format!("{origin}:{line}:{column}");
        }
        steps.pop();
    }
    origin.to_owned()
}

/// Marks the error that is none.
const FOUND: &str = "the value is here";

struct Walk<'a>(&'a [&'a str]);

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(FOUND)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Some((step, rest)) = self.0.split_first() else { return Err(A::Error::custom(FOUND)) };
        while let Some(key) = map.next_key::<String>()? {
            if key == *step {
                map.next_value_seed(Walk(rest))?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let Some((step, rest)) = self.0.split_first() else { return Err(A::Error::custom(FOUND)) };
        for i in 0.. {
            let end = match step.parse() == Ok(i) {
                true => seq.next_element_seed(Walk(rest))?.is_none(),
                false => seq.next_element::<IgnoredAny>()?.is_none(),
            };
            if end {
                break;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "a: 1\nmodel:\n  levels:\n  - x: 1\n  - x: [2, 3]\n";

    fn place(key: &str, overrides: &[&str]) -> String {
        let overrides: Vec<String> = overrides.iter().map(|&set| set.to_owned()).collect();
        Origin { text: TEXT, name: "f", overrides: &overrides }.place(key)
    }

    #[test]
    fn keys_are_found_in_maps_and_lists_and_else_their_ancestor() {
        assert_eq!(place("a", &[]), "f:1:4");
        assert_eq!(place("model.levels[1].x", &[]), "f:5:8");
        assert_eq!(place("model.levels[1].y", &[]), "f:5:5");
        assert_eq!(place("model.x + a", &[]), "f:3:3");
        assert_eq!(place("nowhere", &[]), "f");
    }

    #[test]
    fn the_last_override_of_a_key_is_named_instead_of_the_file() {
        assert_eq!(place("a", &["a=2", "a=3", "model.x=1"]), "--set a=3");
        assert_eq!(place("model.levels[1].x", &["model.levels=[]"]), "--set model.levels=[]");
        assert_eq!(place("model", &["model.levels[1].x=7"]), "--set model.levels[1].x=7");
        assert_eq!(place("model.y + a", &["a=b=c"]), "--set a=b=c");
        assert_eq!(place("model.levels[1].x", &["model.levels[0].x=7", "model.level=1"]), "f:5:8");
    }
}
