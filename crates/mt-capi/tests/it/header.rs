//! The header says what the library has.

use std::collections::BTreeSet;

const HEADER: &str = include_str!("../../include/mt_predict.h");
const EXAMPLE: &str = include_str!("../../examples/predict.c");
const EXPORTS: [&str; 2] =
    [include_str!("../../src/exports/predictor.rs"), include_str!("../../src/exports/rows.rs")];
const STATUS: &str = include_str!("../../src/status.rs");

/// The words in front of a parenthesis that begin as our functions do, comments left out.
fn functions(c: &str) -> BTreeSet<String> {
    let mut code = String::new();
    let mut rest = c;
    while let Some((before, comment)) = rest.split_once("/*") {
        code += before;
        rest = comment.split_once("*/").expect("the end of a comment").1;
    }
    code += rest;
    let word =
        |before: &str| before.rsplit(|c: char| !c.is_alphanumeric() && c != '_').next().map(str::to_owned);
    let words = code.match_indices('(').filter_map(|(at, _)| word(&code[..at]));
    words.filter(|name| name.starts_with("mt_")).collect()
}

#[test]
fn the_functions_of_the_header_are_those_of_the_library_and_the_example_uses_all() {
    let declared = functions(HEADER);
    let exported: BTreeSet<String> = EXPORTS
        .iter()
        .flat_map(|source| source.split("extern \"C\" fn ").skip(1))
        .map(|after| after.split('(').next().expect("a name").to_owned())
        .collect();
    assert_eq!(declared, exported);
    assert_eq!(functions(EXAMPLE), exported);
}

/// Names and values, as C writes them, of the enumerations.
fn constants() -> BTreeSet<(String, u32)> {
    let mut constants = BTreeSet::new();
    let mut prefix = "";
    for line in STATUS.lines().map(str::trim) {
        prefix = match line {
            "pub enum Status {" => "MT",
            "pub enum TaskKind {" => "MT_TASK",
            "pub enum ColumnKind {" => "MT_COLUMN",
            _ => prefix,
        };
        if let Some((name, value)) = line.trim_end_matches(',').split_once(" = ")
            && let Ok(value) = value.parse()
        {
            let mut c_name = prefix.to_owned();
            for letter in name.chars() {
                if letter.is_uppercase() {
                    c_name.push('_');
                }
                c_name.push(letter.to_ascii_uppercase());
            }
            constants.insert((c_name, value));
        }
    }
    constants
}

#[test]
fn the_constants_of_the_header_are_those_of_the_library_and_the_example_uses_their_kinds() {
    let constant = |line: &str| {
        let (name, rest) = line.trim().strip_prefix("MT_")?.split_once(" = ")?;
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        Some((format!("MT_{name}"), digits.parse().ok()?))
    };
    let declared: BTreeSet<(String, u32)> = HEADER.lines().filter_map(constant).collect();
    assert_eq!(declared, constants());
    assert_eq!(declared.len(), 8 + 4 + 4);
    for (name, _) in declared.iter().filter(|(name, _)| name.contains("_TASK_") || name.contains("_COLUMN_"))
    {
        assert!(EXAMPLE.contains(name), "{name}");
    }
    assert_eq!(size_of::<mt_predict::Failure>(), 512);
    assert!(HEADER.contains("char message[508];"));
}
