//! Columns as a configuration names them.

use mt_profile::Profile;

use crate::yaml::scalar;

/// A column as a key takes it: by name, or in files without names by number.
pub fn column(profile: &Profile, column: usize) -> String {
    match profile.is_named(column) {
        true => scalar(&profile.columns[column].name),
        false => column.to_string(),
    }
}

/// A column as an expression has it.
pub fn in_expression(name: &str) -> String {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let plain = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && name.chars().all(word);
    if plain { name.to_owned() } else { format!("`{name}`") }
}
