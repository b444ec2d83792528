//! YAML configurations.

use mt_train::Config;

/// Reads a configuration, followed by overrides, each after a zero byte. What is read is written and read again as the same.
///
/// # Panics
/// If it is not the same.
pub fn config(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else { return false };
    let mut parts = text.split('\0').map(str::to_owned);
    let text = parts.next().unwrap_or_default();
    let Ok(read) = Config::parse(&text, "fuzz.yaml", &parts.collect::<Vec<_>>()) else { return false };
    let written = read.to_yaml().expect("YAML");
    let again =
        Config::parse(&written, "written.yaml", &[]).unwrap_or_else(|error| panic!("{error}:\n{written}"));
    assert_eq!(again.to_yaml().expect("YAML"), written);
    true
}
