//! What expressions give, and what is said of wrong ones.

use super::*;
use crate::epoch::Unit;
use crate::missing::Missing;
use crate::value::Value;

static NOTHING: Missing = Missing::none();

/// Rows of named columns.
struct Named<'a, 'r> {
    expression: &'r Expression,
    rows: &'r [Vec<(&'a str, Value<'a>)>],
}

impl<'a> Named<'a, '_> {
    fn find(&self, column: usize, row: usize) -> Value<'a> {
        let name = &self.expression.columns()[column].name;
        self.rows[row].iter().find(|(column, _)| column == name).map_or(Value::Missing, |(_, value)| *value)
    }
}

impl<'a> Rows<'a> for Named<'a, '_> {
    fn len(&self) -> usize {
        self.rows.len()
    }
    fn value(&self, column: usize, row: usize) -> Value<'a> {
        match self.find(column, row) {
            Value::List(_) => Value::Missing,
            value => value,
        }
    }
    fn list<'l>(&self, column: usize, row: usize, _: &'l mut Vec<Value<'a>>) -> Value<'l>
    where
        'a: 'l,
    {
        self.find(column, row)
    }
    fn unit(&self, column: usize) -> Option<Unit> {
        (self.expression.columns()[column].name == "typed").then_some(Unit::Microseconds)
    }
    fn missing(&self) -> &Missing {
        &NOTHING
    }
}

const LIST: [Value<'static>; 3] = [Value::Integer(7), Value::Text(b" a "), Value::Integer(7)];

fn row() -> Vec<(&'static str, Value<'static>)> {
    vec![
        ("play", "61802".into()),
        ("duration", "49866".into()),
        ("income", "50000+.".into()),
        ("empty", "".into()),
        ("zero", "0".into()),
        ("big", "18446744073709551615".into()),
        ("is rand", "1".into()),
        ("seven", 7.0.into()),
        ("half", 0.5_f32.into()),
        ("date", 20_260_307.into()),
        ("ms", "1772892309250".into()),
        ("us", 1_772_892_309_250_000_i64.into()),
        ("typed", 1_772_892_309_250_000_i64.into()),
        ("iso", "2026-03-07T22:05:09.25+08:00".into()),
        ("history", "7 a 7  b".into()),
        ("list", Value::List(&LIST)),
        ("alone", 7.into()),
        ("tricky", "a×b\\".into()),
    ]
}

fn parsed(text: &str) -> Expression {
    let mut expression = Expression::parse_value(text).unwrap_or_else(|p| panic!("{text}: {p:?}"));
    expression.separate(|name| (name != "play").then_some(' ')).unwrap();
    expression
}

fn value(text: &str) -> Option<f64> {
    let expression = parsed(text);
    expression.numbers(&Named { expression: &expression, rows: &[row()] }).at(0).unwrap()
}

fn shown(text: &str) -> String {
    let expression = parsed(text);
    expression.column(&Named { expression: &expression, rows: &[row()] }).value(0).cell()
}

#[test]
fn values_are_those_of_the_formula() {
    for (text, expected) in [
        ("1 + 2 * 3 - 4 / 8", 6.5),
        ("-(1 + 2) * -3", 9.0),
        ("2 - 1 - 1", 0.0),
        ("-2 ^ 2", -4.0),
        ("2 ^ 3 ^ 2 * 2", 1024.0),
        ("4 ^ -0.5", 0.5),
        ("min(play / duration, 5)", 61802.0 / 49866.0),
        ("max(1, zero, -2)", 1.0),
        ("clamp(play, 0, 1e3)", 1000.0),
        ("clamp(5, 7, 3)", 3.0),
        ("log1p(zero)", 0.0),
        ("income == \"50000+.\"", 1.0),
        ("'- 50000.' != income", 1.0),
        ("play >= 61802 && duration < 5e4", 1.0),
        ("play > 61802 || !(duration <= 5e4)", 0.0),
        ("1 < 2 && 2 < 3 || 0", 1.0),
        ("`is rand` == 1", 1.0),
        ("zero == 0.0", 1.0),
        ("empty == 1 && zero", 0.0),
        ("empty == 1 || play", 1.0),
        ("big == 18446744073709551615", 1.0),
        ("big == 18446744073709551614", 0.0),
        ("big > 18446744073709551614", 1.0),
        ("7 % 3", 1.0),
        ("-1 % 24", 23.0),
        ("(-1) % 24", 23.0),
        ("1 % (-24)", -23.0),
        ("5.5 % 2", 1.5),
        ("2 * 7 % 4", 2.0),
        ("floor(-1.5)", -2.0),
        ("ceil(-1.5)", -1.0),
        ("round(2.5)", 3.0),
        ("round(-2.5)", -3.0),
        ("abs(-2)", 2.0),
        ("sqrt(2)", std::f64::consts::SQRT_2),
        ("exp(0)", 1.0),
        ("log(exp(2))", 2.0),
        ("if(play > 1, 2, 3)", 2.0),
        ("if(zero, income + 1, 3)", 3.0),
        ("if(income == 'x', 1, half)", 0.5),
        ("cross(seven, 'b') == '7×b'", 1.0),
        ("seven == '7'", 1.0),
    ] {
        assert_eq!(value(text), Some(expected), "{text}");
    }
}

#[test]
fn times_are_read_in_any_form_and_unit() {
    for (text, expected) in [
        ("hour(iso)", 14.0),
        ("hour(ms)", 14.0),
        ("hour(us)", 14.0),
        ("hour(typed, 's')", 14.0),
        ("hour(ms / 1000)", 14.0),
        ("hour(ms, '+08:00')", 22.0),
        ("hour(ms, '-1430', \"ms\")", 23.0),
        ("weekday(ms, 'ms', '-1430')", 4.0),
        ("minute(iso)", 5.0),
        ("second(iso)", 9.0),
        ("weekday(iso)", 5.0),
        ("day(iso)", 7.0),
        ("month(iso)", 3.0),
        ("year(iso)", 2026.0),
        ("days(iso)", 20_519.0),
        ("seconds(iso)", 1_772_892_309.25),
        ("weekday(date)", 5.0),
        ("day(date, 'yyyymmdd')", 7.0),
        ("year(date, 's')", 1970.0),
        ("year(seven, 'days')", 1970.0),
        ("seconds(iso) - seconds(ms)", 0.0),
        ("iso >= '2026-03-07'", 1.0),
        ("ms >= '2026-03-07T14:05:09.25Z'", 1.0),
        ("ms > '2026-03-07T14:05:09.25Z'", 0.0),
        ("typed < '2026-03-07 22:06+08:00'", 1.0),
        ("'2026-03-07' < date", 0.0),
        ("'2026-03-07' <= date", 1.0),
        ("date < '2026-03-08'", 1.0),
        // Which compares texts.
        ("iso == '2026-03-07'", 0.0),
    ] {
        assert_eq!(value(text), Some(expected), "{text}");
    }
}

#[test]
fn lists_are_counted_whatever_they_are_kept_in() {
    for (text, expected) in [
        ("len(history)", 5.0),
        ("len(income, '+')", 2.0),
        ("len(list)", 3.0),
        ("len(alone)", 1.0),
        ("len(empty)", 0.0),
        ("count(seven in history)", 2.0),
        ("count(7 in list)", 2.0),
        ("count('a' in list)", 1.0),
        ("count('b' in history, ' ')", 1.0),
        ("count(7 in alone)", 1.0),
        ("count(7 in empty)", 0.0),
        ("count(if(zero, 'x', 'a') in list) + len(history)", 6.0),
    ] {
        assert_eq!(value(text), Some(expected), "{text}");
    }
}

#[test]
fn an_input_has_the_text_of_its_value() {
    for (text, expected) in [
        ("seven", "7"),
        ("half", "0.5"),
        ("income", "50000+."),
        ("play / 2", "30901"),
        ("1 / 3", "0.3333333333333333"),
        ("0 * -1", "0"),
        ("'x'", "x"),
        ("cross(seven, income)", "7×50000+."),
        ("cross('a', 'bc', 1)", "a×bc×1"),
        ("cross(tricky, 1)", "a\\×b\\\\×1"),
        ("if(zero, 'none', seven)", "7"),
        ("if(play, cross('a', 'b'), cross('c', 'd'))", "a×b"),
        ("if(zero, cross('a', 'b'), cross('c', 'd'))", "c×d"),
        ("if(empty, 'a', 'b')", ""),
        ("cross(empty, 'a')", ""),
        ("cross('a', hour(empty))", ""),
        ("empty", ""),
        ("1 / 0", ""),
        ("if(play > 1, 2, 3)", "2"),
    ] {
        assert_eq!(shown(text), expected, "{text}");
    }
}

#[test]
fn what_has_no_value_is_missing() {
    for text in [
        "empty",
        "empty + 1",
        "play / zero",
        "zero / zero",
        "play % zero",
        "log1p(-1)",
        "log(0)",
        "sqrt(-1)",
        "exp(1000)",
        "(-1) ^ 0.5",
        "10 ^ 1000",
        "empty ^ 0",
        "1e999",
        "empty == 1",
        "income == 'x' || empty",
        "!empty",
        "if(empty, 1, 2)",
        "if(1, empty, 2)",
        // What stands behind the first value that is missing is not looked at.
        "min(empty, income)",
        "hour(empty)",
        "weekday(20260230)",
        "empty >= '2026-03-07'",
        "count(empty in list)",
        "list",
    ] {
        assert_eq!(value(text), None, "{text}");
    }
}

#[test]
fn a_cell_that_cannot_be_used_names_its_column_and_what_it_should_be() {
    let bad = |text: &str| {
        let expression = parsed(text);
        let rows = [row(), vec![("income", 1.into()), ("empty", 2.into()), ("zero", 3.into())]];
        let column = expression.column(&Named { expression: &expression, rows: &rows });
        assert_eq!(column.fault(1), None, "{text}");
        column.fault(0).map(|bad| {
            let name = &expression.columns()[bad.column].name;
            format!("{name}: {}", &bad.expected[..bad.expected.find(',').unwrap_or(bad.expected.len())])
        })
    };
    for text in ["1 + income", "min(1, income)", "if(1, income + 0, 2)", "-income", "cross(income + 1, 2)"] {
        assert_eq!(bad(text).as_deref(), Some("income: a number"), "{text}");
    }
    assert_eq!(bad("income == 1 || iso > 0").as_deref(), Some("income: a number"));
    assert_eq!(bad("iso > 0 || income == 1").as_deref(), Some("iso: a number"));
    assert_eq!(bad("hour(income)").as_deref(), Some("income: a time"));
    assert_eq!(bad("income < '2026-03-07'").as_deref(), Some("income: a time"));
    assert_eq!(bad("if(zero, income + 0, 2)"), None);
}

#[test]
fn rows_together_give_what_each_gives_alone() {
    // A generator of numbers that are the same everywhere.
    let mut state = 7_u64;
    let mut next = |n: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % n
    };
    let values = row();
    let names: Vec<&str> = values.iter().map(|(name, _)| *name).collect();
    let rows: Vec<Vec<(&str, Value<'_>)>> =
        (0..200).map(|_| names.iter().map(|name| (*name, values[next(values.len())].1)).collect()).collect();
    for text in [
        "min(play, duration) / max(half, empty) % 7",
        "if(play > duration, log1p(half), sqrt(seven) + zero)",
        "cross(play, if(half, 'x', income), hour(iso))",
        "big >= ms || date < '2026-03-07' && !(empty == 'a')",
        "count(alone in history) + len(list) * weekday(ms, '+08:00')",
        "clamp(play, zero, half) ^ seven",
    ] {
        let expression = parsed(text);
        let together = expression.column(&Named { expression: &expression, rows: &rows });
        for (i, row) in rows.iter().enumerate() {
            let alone =
                expression.column(&Named { expression: &expression, rows: std::slice::from_ref(row) });
            assert_eq!(alone.fault(0), together.fault(i), "{text}: {row:?}");
            if alone.fault(0).is_none() {
                assert_eq!(alone.value(0), together.value(i), "{text}: {row:?}");
            }
        }
    }
}

#[test]
fn mistakes_are_named_with_their_position() {
    let problem = |text: &str| {
        let Problem { at, problem } = Expression::parse(text).unwrap_err();
        format!("{at}: {problem}")
    };
    assert_eq!(problem("a / "), "5: expected a value, found the end");
    assert_eq!(problem("a b"), "3: expected an operator, found \"b\"");
    assert_eq!(problem("(a + 1"), "7: expected \")\", found the end");
    assert_eq!(problem("a = 1"), "3: expected \"==\", found \"=\"");
    assert_eq!(problem("a & b"), "3: expected \"&&\", found \"&\"");
    assert_eq!(problem("a == 'x"), "6: expected a closing '");
    assert_eq!(problem("a # b"), "3: expected an operator or a value, found \"#\"");
    assert_eq!(problem("a < b < c"), "7: a comparison cannot be compared again; use && or parentheses");
    let no_number =
        "a text is no number; it can be compared by == and !=, or be a value of cross, if and count";
    for (text, at) in [
        ("a + 'x'", 5),
        ("cross(a, b)", 1),
        ("-cross(a, b)", 2),
        ("min(1, 'x')", 8),
        ("if(a, 'x', b) < 3", 1),
    ] {
        assert_eq!(problem(text), format!("{at}: {no_number}"), "{text}");
    }
    assert_eq!(
        problem("a < 'soon'"),
        "5: \"soon\" is no time such as \"2026-03-07\" or \"2026-03-07T14:00:00Z\"; other texts can only be compared by == or !="
    );
    assert_eq!(problem("1.5.2"), "1: \"1.5.2\" is no number");
    let functions = "min, max, clamp, abs, floor, ceil, round, sqrt, log, log1p, exp, if, cross, len, count, second, minute, \
                     hour, weekday, day, month, year, days, seconds";
    assert_eq!(problem("sine(a)"), format!("1: no function \"sine\"; there are {functions}"));
    assert_eq!(problem("clamp(a, 1)"), "1: clamp takes 3 values, found 2");
    assert_eq!(problem("cross(a) == 'x'"), "1: cross takes 2 or more values, found 1");
    assert_eq!(problem("if(a, 1)"), "1: if takes 3 values, found 2");
    assert_eq!(problem("abs(a, 1)"), "1: abs takes 1 value, found 2");
    assert_eq!(problem("len(1)"), "5: expected the column of a list, found \"1\"");
    assert!(problem("len(a, 'ab')").starts_with("8: expected a separator, one ASCII character"));
    assert_eq!(
        problem("len(a, ' ') + count(1 in a, ',')"),
        "29: the separator of this column was ' ' before"
    );
    assert_eq!(problem("count(a)"), "8: expected `in` and the column of a list, found \")\"");
    assert!(problem("hour('2026-03-07')").starts_with("6: expected a column or a number that is a time"));
    assert_eq!(
        problem("hour(a, 'h')"),
        "9: expected once a unit, \"days\", \"s\", \"ms\", \"us\", \"ns\", \"yyyymmdd\", or once an offset such as \"+08:00\", \
         found \"h\""
    );
    assert!(problem("seconds(a, '+01')").starts_with("12: expected once a unit"));
    assert!(problem("hour(a, 's', 'ms')").starts_with("14: expected once a unit"));
    assert_eq!(problem(""), "1: expected a value, found the end");
    for deep in ["(", "-", "1 ^ ", "abs(", "cross(", "if(1, "].map(|level| level.repeat(10_000)) {
        assert!(problem(&deep).ends_with(": more than 100 levels of parentheses"), "{}", problem(&deep));
    }
    let mut expression = Expression::parse("1 + len(tags)").unwrap();
    assert_eq!(expression.separate(|_| None).unwrap_err().at, 9);
}
