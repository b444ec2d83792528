//! Whole numbers that 64 bits do not hold: as JSON's numbers they would be rounded, and be other values than in a file.

/// The JSON `body` with such numbers as texts of their digits, as which a field tells values apart and a number is read.
pub(super) fn quoted(body: &[u8]) -> Vec<u8> {
    let (mut out, mut at, mut inside) = (Vec::with_capacity(body.len() + 64), 0, false);
    while let Some(&byte) = body.get(at) {
        let rest = &body[at..];
        let length = match byte {
            b'\\' if inside => rest.len().min(2),
            b'0'..=b'9' | b'-' if !inside => number(rest),
            _ => 1,
        };
        inside ^= byte == b'"';
        let part = &rest[..length];
        let quote: &[u8] = if !inside && is_long(part) { b"\"" } else { b"" };
        [quote, part, quote].into_iter().for_each(|part| out.extend_from_slice(part));
        at += length;
    }
    out
}

/// Bytes of the number at the start of `text`.
fn number(text: &[u8]) -> usize {
    let part = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.' | b'e' | b'E');
    text.iter().position(|byte| !part(byte)).unwrap_or(text.len())
}

/// Whether this is a whole number beyond 64 bits.
fn is_long(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let text = std::str::from_utf8(text).unwrap_or_default();
    digits.len() > 18
        && digits.iter().all(u8::is_ascii_digit)
        && text.parse::<u64>().is_err()
        && text.parse::<i64>().is_err()
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn only_whole_numbers_beyond_64_bits_become_texts() {
        let same = r#"{"a\\": [18446744073709551615, -9223372036854775808, 1e19, 99999999999999999999.5, "99999999999999999999"], "\"": 7}"#;
        assert_eq!(quoted(same.as_bytes()), same.as_bytes());
        let long = r#"[18446744073709551616,-9223372036854775809,{"\"x": 99999999999999999999}]"#;
        let text = r#"["18446744073709551616","-9223372036854775809",{"\"x": "99999999999999999999"}]"#;
        assert_eq!(quoted(long.as_bytes()), text.as_bytes());
    }
}
