//! Where in a file a key stands, for errors found after parsing.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// `origin:line:column` of the value at a path like `model.levels[0].expert`, or of its nearest ancestor in the text.
pub(super) fn place(text: &str, origin: &str, path: &str) -> String {
    let path = path.replace('[', ".").replace(']', "");
    let mut steps: Vec<&str> = path.split('.').collect();
    while !steps.is_empty() {
        // The walk ends in an error at the value; the parser adds the position to it.
        let walk = Walk(&steps).deserialize(serde_yaml::Deserializer::from_str(text));
        if let Some(location) =
            walk.err().filter(|e| e.to_string().contains(FOUND)).and_then(|e| e.location())
        {
            return format!("{origin}:{}:{}", location.line(), location.column());
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

    #[test]
    fn keys_are_found_in_maps_and_lists_and_else_their_ancestor() {
        let text = "a: 1\nmodel:\n  levels:\n  - x: 1\n  - x: [2, 3]\n";
        assert_eq!(place(text, "f", "a"), "f:1:4");
        assert_eq!(place(text, "f", "model.levels[1].x"), "f:5:8");
        assert_eq!(place(text, "f", "model.levels[1].y"), "f:5:5");
        assert_eq!(place(text, "f", "nowhere"), "f");
    }
}
