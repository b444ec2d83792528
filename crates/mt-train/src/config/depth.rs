//! How deep the brackets of a YAML text are nested, before the parser sees it: its time grows with the square of that.

/// Deeper than any configuration, and nothing for the parser.
const DEEPEST: usize = 64;

/// The line and column, from 1, of the first bracket that is nested deeper than [`DEEPEST`].
///
/// Rather counts a bracket that is none than misses one: only where a scalar, a comment or a name surely goes on are
/// brackets taken for its characters.
pub(super) fn too_deep(text: &str) -> Option<(usize, usize)> {
    let (mut line, mut column, mut depth) = (1, 0, 0usize);
    // Whether a value may begin here, and the character before.
    let (mut fresh, mut before) = (true, '\n');
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        column += 1;
        let next = chars.peek().map_or('\n', |&(_, next)| next);
        match c {
            // What YAML 1.1 takes for line breaks. Between brackets a name goes on in the next line.
            '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}' => {
                (line, column) = (line + usize::from(c != '\r' || next != '\n'), 0);
                fresh |= depth == 0;
            }
            ' ' | '\t' | '\u{feff}' => {}
            '#' if before.is_whitespace() => skip(&mut chars, &mut column, |c| c == '\n' || c == '\r'),
            '[' | '{' if fresh || depth > 0 => {
                depth += 1;
                if depth > DEEPEST {
                    return Some((line, column));
                }
                fresh = true;
            }
            ']' | '}' => (depth, fresh) = (depth.saturating_sub(1), false),
            ',' => fresh |= depth > 0,
            ':' => fresh |= next.is_whitespace(),
            '-' | '?' if fresh && (next.is_whitespace() || next == '-' || before == '-') => {}
            '&' | '*' | '!' if fresh => {
                skip(&mut chars, &mut column, |c| c.is_whitespace() || "[]{},".contains(c));
            }
            '"' | '\'' if fresh => {
                fresh = false;
                if let Some(length) = quoted(&text[at + 1..], c, depth > 0) {
                    let end = at + 1 + length;
                    while chars.next_if(|&(at, _)| at < end).is_some() {
                        column += 1;
                    }
                    let breaks = text[at..end].matches('\n').count();
                    if breaks > 0 {
                        (line, column) =
                            (line + breaks, text[..end].chars().rev().take_while(|&c| c != '\n').count());
                    }
                }
            }
            _ => fresh = false,
        }
        before = c;
    }
    None
}

/// Bytes up to the quote that closes, behind it; on the same line where lines are not told apart from those of a text.
fn quoted(text: &str, quote: char, lines: bool) -> Option<usize> {
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' if quote == '"' => {
                chars.next();
            }
            c if c == quote && quote == '\'' && chars.peek().is_some_and(|&(_, next)| next == quote) => {
                chars.next();
            }
            c if c == quote => return Some(at + 1),
            '\n' | '\r' if !lines => return None,
            _ => {}
        }
    }
    None
}

/// Goes on to the first character that ends something.
fn skip(
    chars: &mut std::iter::Peekable<std::str::CharIndices<'_>>,
    column: &mut usize,
    ends: impl Fn(char) -> bool,
) {
    while chars.next_if(|&(_, c)| !ends(c)).is_some() {
        *column += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_are_counted_wherever_the_parser_would_nest_them() {
        let deep = |n: usize| "[".repeat(n);
        assert_eq!(too_deep(&deep(64)), None);
        assert_eq!(too_deep(&deep(65)), Some((1, 65)));
        for head in [
            "a: ",
            "- ",
            "--- ",
            "- - ",
            "? ",
            "\"a\": ",
            "a: &x ",
            "a: !t ",
            "a: |\n  \"\nb: ",
            "a: it's\nb: ",
            "[x '",
            "[x\n'",
            "{a: [a:'",
            "[\"]\", ",
            "x: 'a''b'\ny: ",
            "x\u{2028}",
            "\u{feff}",
            "# '\na: ",
            "a: [[1], 2]\nb: ",
        ] {
            assert!(too_deep(&format!("{head}{}", deep(100))).is_some(), "{head:?}");
        }
        assert_eq!(too_deep(&format!("a: 1\nb: {}", "{a: ".repeat(100))), Some((2, 4 + 4 * 64)));
    }

    #[test]
    fn brackets_inside_of_names_and_texts_are_none() {
        for line in [
            "- age[0,10)\n",
            "- '[0, 10)'\n",
            "- \"\\\"[\"\n",
            "a: b # [\n",
            "# [\n",
            "a: x [y\n",
            "a: [1, '[', \"[\"]\n",
        ] {
            assert_eq!(too_deep(&line.repeat(1000)), None, "{line:?}");
        }
    }
}
