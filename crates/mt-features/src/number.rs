//! From the text of one cell to a number.

/// Powers of ten that an `f32` holds exactly.
const POWERS: [f32; 11] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10];
/// Up to here, an `f32` holds every integer exactly.
const EXACT: u64 = 1 << 24;
/// So many digits fit a `u64` whatever they are.
const MOST_DIGITS: usize = 18;

/// Reads a number that starts at `start` and ends right before a delimiter or the end of the line, and returns
/// it with the position behind it. `None` for everything unusual: blanks, quotes, anything that is no number.
#[inline]
pub fn scan(text: &[u8], start: usize, delimiter: u8) -> Option<(f32, usize)> {
    let negative = text.get(start) == Some(&b'-');
    let first = start + usize::from(negative);
    let (digits, point) = scan_digits(text, first, 0);
    let (mut number, mut end, mut decimals) = (digits, point, 0);
    if text.get(point) == Some(&b'.') {
        (number, end) = scan_digits(text, point + 1, digits);
        decimals = end - point - 1;
    }
    let ended = text.get(end).is_some_and(|&b| b == delimiter || b == b'\n');
    let short = point > first && end - first <= MOST_DIGITS;
    // Integers: the cast rounds as the decimal text would. Decimals: a quotient of two exact numbers is rounded
    // once, so it is the nearest `f32` too (Clinger 1990).
    let exact = decimals == 0 || (number <= EXACT && decimals < POWERS.len());
    if !(ended && short && exact) {
        return scan_float(text, start, delimiter);
    }
    let value = if decimals == 0 { number as f32 } else { number as f32 / POWERS[decimals] };
    Some((if negative { -value } else { value }, end))
}

/// Appends the digits from `at` to `number`, and returns it with the position behind them. Wraps where there are
/// too many, which the caller sees from the position.
#[inline(always)]
fn scan_digits(text: &[u8], mut at: usize, mut number: u64) -> (u64, usize) {
    while let Some(digit) = text.get(at).map(|b| b.wrapping_sub(b'0')).filter(|&digit| digit < 10) {
        number = number.wrapping_mul(10).wrapping_add(u64::from(digit));
        at += 1;
    }
    (number, at)
}

fn scan_float(text: &[u8], start: usize, delimiter: u8) -> Option<(f32, usize)> {
    let (value, length) = float(text.get(start..)?)?;
    let end = start + length;
    let ended = match *text.get(end)? {
        b'\r' => text.get(end + 1) == Some(&b'\n'),
        b => b == delimiter || b == b'\n',
    };
    ended.then_some((value, end))
}

/// The number that is the whole of `text`.
pub fn whole(text: &[u8]) -> Option<f32> {
    let number = float(text).filter(|&(_, length)| length == text.len()).map(|(value, _)| value);
    number.or_else(|| flag(text).map(f32::from))
}

/// What a truth value is as a number, in the spellings of pandas, of SQL and of JSON.
fn flag(text: &[u8]) -> Option<u8> {
    match text.len() {
        4 => text.eq_ignore_ascii_case(b"true").then_some(1),
        5 => text.eq_ignore_ascii_case(b"false").then_some(0),
        _ => None,
    }
}

/// As [`whole`], in `f64`.
pub fn whole_f64(text: &[u8]) -> Option<f64> {
    if !starts_number(text) {
        return flag(text).map(f64::from);
    }
    fast_float2::parse::<f64, _>(text).ok().filter(|value| value.is_finite())
}

/// The number at the beginning of `text` and its length: finite, and with a digit or a point first, as
/// `fast_float2` takes `nan` and `inf` for numbers too.
fn float(text: &[u8]) -> Option<(f32, usize)> {
    if !starts_number(text) {
        return None;
    }
    fast_float2::parse_partial::<f32, _>(text).ok().filter(|(value, _)| value.is_finite())
}

fn starts_number(text: &[u8]) -> bool {
    let unsigned = match text {
        [b'+' | b'-', rest @ ..] => rest,
        _ => text,
    };
    matches!(unsigned, [b'0'..=b'9' | b'.', ..])
}

/// The `f32` nearest to the shortest text of `x`, which is how a text file would have it.
///
/// That is the one nearest to `x` itself, unless `x` lies exactly between two: the text need not lie there as well.
#[inline]
pub fn narrow(x: f64) -> f32 {
    /// Of the 29 bits that an `f32` lacks, the highest one: half a unit of its last place.
    const HALF: u64 = 1 << 28;
    let halfway = x.to_bits() & (2 * HALF - 1) == HALF;
    // Below the least normal `f32` the unit is another one.
    let tiny = x != 0.0 && x.abs() < f64::from(f32::MIN_POSITIVE);
    if x.is_finite() && (halfway || tiny) {
        return whole(x.to_string().as_bytes()).unwrap_or(f32::INFINITY);
    }
    x as f32
}

/// The number that the shortest text of `x` is, which is what a text file would have of it.
pub fn widen(x: f32) -> f64 {
    // Exactly what it is: no decimals, and no digits that the text would leave out.
    if x.fract() == 0.0 && x.abs() < EXACT as f32 {
        return x.into();
    }
    whole_f64(x.to_string().as_bytes()).unwrap_or(x.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_the_standard_library_reads_them() {
        let texts = "0 7 42 007 1700.09 -1.5 +2 .5 5. 1e3 1E-3 123456789012345678 1234567890123456789012 -0 \
                     16777216.5 16777217 33554433 -0.0001 0.00000000001 1677721.7 9007199254740993 3.4e1 1e-50 3.4028235e38 0.1 1053.55";
        for text in texts.split_whitespace() {
            let expected: f32 = text.parse().unwrap();
            assert_eq!(whole(text.as_bytes()), Some(expected), "{text}");
            for end in [",", "\n", ",1\n", "\r\n"] {
                let line = format!("{text}{end}");
                assert_eq!(scan(line.as_bytes(), 0, b','), Some((expected, text.len())), "{line:?}");
            }
        }
    }

    #[test]
    fn truth_is_1_and_0_however_it_is_written() {
        for (text, expected) in [("true", 1.0), ("True", 1.0), ("TRUE", 1.0), ("false", 0.0), ("False", 0.0)]
        {
            assert_eq!(whole(text.as_bytes()), Some(expected), "{text}");
            assert_eq!(whole_f64(text.as_bytes()), Some(f64::from(expected)), "{text}");
        }
        assert!(["t", "yes", "truex", "falsely"].iter().all(|text| whole(text.as_bytes()).is_none()));
    }

    #[test]
    fn what_is_no_finite_decimal_number_is_refused() {
        for text in
            ["", "nan", "NaN", "inf", "-inf", "infinity", "n/a", "0x10", "1_000", "1,5", "-", "+", "."]
        {
            assert_eq!(whole(text.as_bytes()), None, "{text}");
        }
        for text in ["1e39", "-1e400", "1 2", "--1", "+-1", "1e", "1.2.3", "½"] {
            assert_eq!(whole(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn halfway_between_two_numbers_the_shortest_text_decides() {
        let mut apart = 0;
        for bits in (0x0000_0001..0x7F7F_FFFF_u32).step_by(65_537) {
            let (low, high) = (f32::from_bits(bits), f32::from_bits(bits + 1));
            let middle = (f64::from(low) + f64::from(high)) / 2.0;
            for x in [middle, -middle, middle.next_up(), middle.next_down(), f64::from(low)] {
                let read: f32 = x.to_string().parse().unwrap();
                assert_eq!(narrow(x).to_bits(), read.to_bits(), "{x}");
                apart += u32::from(read != x as f32);
            }
        }
        assert!(apart > 0);
        assert_eq!(narrow(1e39), f32::INFINITY);
        assert_eq!(narrow(f64::from(f32::MAX)), f32::MAX);
        assert!(narrow(f64::NAN).is_nan());
    }
}
