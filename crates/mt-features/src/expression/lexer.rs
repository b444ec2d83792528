//! From text to tokens.

use super::tree::Problem;

/// A token of an expression.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    Number(f64, Option<i128>),
    Text(String),
    /// A column or a function; the flag says whether it stood in backquotes.
    Word(String, bool),
    Symbol(&'static str),
}

/// Longer ones first, so that `<=` is not read as `<`.
const SYMBOLS: [&str; 19] =
    ["==", "!=", "<=", ">=", "&&", "||", "<", ">", "!", "+", "-", "*", "/", "%", "^", "(", ")", ",", "="];

/// The tokens of `text`, each with its character position from 1.
pub(super) fn tokens(text: &str) -> Result<Vec<(usize, Token)>, Problem> {
    let mut tokens = Vec::new();
    let mut rest = text;
    let mut at = 1;
    while let Some(first) = rest.chars().next() {
        let (length, token) = match first {
            blank if blank.is_whitespace() => (blank.len_utf8(), None),
            quote @ ('"' | '\'' | '`') => {
                let Some(end) = rest[1..].find(quote) else {
                    return Err(Problem { at, problem: format!("expected a closing {quote}") });
                };
                let inside = rest[1..=end].to_owned();
                let token = if quote == '`' { Token::Word(inside, true) } else { Token::Text(inside) };
                (end + 2, Some(token))
            }
            digit if digit.is_ascii_digit() || digit == '.' => {
                let length = number_length(rest);
                let number = &rest[..length];
                let Ok(value) = number.parse::<f64>() else {
                    return Err(Problem { at, problem: format!("{number:?} is no number") });
                };
                (length, Some(Token::Number(value, number.parse().ok())))
            }
            letter if letter.is_alphabetic() || letter == '_' => {
                let ends = |c: char| !(c.is_alphanumeric() || c == '_');
                let length = rest.find(ends).unwrap_or(rest.len());
                (length, Some(Token::Word(rest[..length].to_owned(), false)))
            }
            other => match SYMBOLS.iter().find(|symbol| rest.starts_with(**symbol)) {
                Some(&"=") => {
                    return Err(Problem { at, problem: "expected \"==\", found \"=\"".to_owned() });
                }
                Some(symbol) => (symbol.len(), Some(Token::Symbol(symbol))),
                None => {
                    let expected = match other {
                        '&' => "\"&&\"",
                        '|' => "\"||\"",
                        _ => "an operator or a value",
                    };
                    let found = other.to_string();
                    return Err(Problem { at, problem: format!("expected {expected}, found {found:?}") });
                }
            },
        };
        tokens.extend(token.map(|token| (at, token)));
        at += rest[..length].chars().count();
        rest = &rest[length..];
    }
    Ok(tokens)
}

/// Bytes of the number that `text` begins with, as far as it may be one.
fn number_length(text: &str) -> usize {
    let bytes = text.as_bytes();
    let part = |i: usize| match bytes[i] {
        b'0'..=b'9' | b'.' | b'a'..=b'z' | b'A'..=b'Z' | b'_' => true,
        b'+' | b'-' => i > 0 && matches!(bytes[i - 1], b'e' | b'E'),
        _ => false,
    };
    (0..bytes.len()).find(|&i| !part(i)).unwrap_or(bytes.len())
}
