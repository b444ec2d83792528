//! Texts as they stand in a configuration.

/// A text as a YAML scalar: plain where nothing can take it for something else.
pub fn scalar(text: &str) -> String {
    const RESERVED: [&str; 9] = ["true", "false", "yes", "no", "on", "off", "null", "y", "n"];
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let plain = text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.chars().all(word);
    match plain && !RESERVED.contains(&text.to_ascii_lowercase().as_str()) {
        true => text.to_owned(),
        // What is in quotes in JSON is in quotes in YAML; without a backslash, the other quotes are easier on the eye.
        false if !text.contains(['\'', '\\']) && !text.contains(char::is_control) => format!("'{text}'"),
        false => serde_json::Value::from(text).to_string(),
    }
}

/// Texts as a list on one line.
pub fn list<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    let texts: Vec<String> = texts.into_iter().map(scalar).collect();
    format!("[{}]", texts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scalar_is_read_as_the_text_that_it_was() {
        for text in [
            "city", "a b", "no", "7", "", "-", "it's", "\u{1}", "\"x\\", "a: b # c", "ä", "~", "NULL", "a\nb",
        ] {
            let read: String = serde_yaml::from_str(&scalar(text)).unwrap_or_default();
            assert_eq!(read, text, "{}", scalar(text));
        }
        assert_eq!(list(["a", "-"]), "[a, '-']");
    }
}
