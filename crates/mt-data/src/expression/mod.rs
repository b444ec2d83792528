//! Small expressions over the columns of a record: labels, sample spaces, weights and splits.
//!
//! ```text
//! play_time_ms / duration_ms            min(play_time_ms / duration_ms, 5)
//! income == "50000+."                   date == 20220429 && !(`is rand` == 1)
//! ```
//!
//! From the weakest: `||`, `&&`, one of `== != < <= > >=`, `+ -`, `* /`, `!` and `-` in front, then `^` (a power,
//! from the right: `-a ^ b ^ c` is `-(a ^ (b ^ c))`). Functions are `min` and `max` (two or more numbers), `log1p(x)` and `clamp(x, low, high)`. Truth is 1 and 0, and any number
//! but 0 is true. A column whose name is no word stands in backquotes, a text in quotes of either kind.
//!
//! Numbers are computed in `f64`. Two whole numbers are compared exactly, however large. What an empty cell enters
//! is missing, as is what has no finite value (a division by zero); only `x && 0` and `x || 1` know their value
//! whatever `x` is.

mod eval;
mod formula;
mod lexer;
mod parser;

pub(crate) use eval::{BadCell, Cell, is_missing};
pub use formula::{Formula, FormulaError};

use lexer::Token;

/// A parsed expression and the columns it names.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Expression {
    root: Node,
    /// Each column once, in order of first appearance; [`Node::Column`] counts in it.
    columns: Vec<Mention>,
}

/// A column that an expression names, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mention {
    pub name: String,
    /// Character in the expression, from 1.
    pub at: usize,
}

/// What is wrong with the text of an expression, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    /// Character in the expression, from 1.
    pub at: usize,
    pub problem: String,
}

#[derive(Debug, Clone, PartialEq)]
enum Node {
    /// A number, and its exact value where it is whole.
    Number(f64, Option<i128>),
    Column(usize),
    /// Whether two sides are the same text, or another one.
    Same {
        column: usize,
        text: Vec<u8>,
        same: bool,
    },
    Negative(Box<Node>),
    Not(Box<Node>),
    /// Operators of one level and what stands behind each, from the left: as long as it may be, it is no deeper than its
    /// deepest operand.
    Chain(Box<Node>, Vec<(Operator, Node)>),
    Call(Function, Vec<Node>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Power,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    And,
    Or,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Function {
    Min,
    Max,
    Log1p,
    Clamp,
}

impl Expression {
    /// Reads an expression.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        parser::parse(text)
    }

    /// The expression that is no more than a column.
    pub fn column(name: &str) -> Self {
        let columns = vec![Mention { name: name.to_owned(), at: 1 }];
        Expression { root: Node::Column(0), columns }
    }

    /// The columns it names.
    pub fn columns(&self) -> &[Mention] {
        &self.columns
    }

    /// Whether it is a single column name.
    pub fn is_column(&self) -> bool {
        matches!(self.root, Node::Column(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROW: [(&str, &str); 7] = [
        ("play", "61802"),
        ("duration", "49866"),
        ("income", "50000+."),
        ("empty", ""),
        ("zero", "0"),
        ("big", "18446744073709551615"),
        ("is rand", "1"),
    ];

    fn value(text: &str) -> Option<f64> {
        let expression = Expression::parse(text).unwrap_or_else(|p| panic!("{text}: {p:?}"));
        let cell = |i: usize| {
            let name = &expression.columns()[i].name;
            let (_, cell) = ROW.iter().find(|(column, _)| column == name).unwrap();
            Some(Cell::Text(cell.as_bytes())).filter(|_| !is_missing(cell.as_bytes()))
        };
        expression.eval(&cell).unwrap()
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
        ] {
            assert_eq!(value(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_has_no_value_is_missing() {
        for text in [
            "empty",
            "empty + 1",
            "play / zero",
            "zero / zero",
            "log1p(-1)",
            "(-1) ^ 0.5",
            "10 ^ 1000",
            "empty == 1",
            "income == 'x' || empty",
            "!empty",
        ] {
            assert_eq!(value(text), None, "{text}");
        }
    }

    #[test]
    fn text_where_a_number_is_needed_names_the_column() {
        let expression = Expression::parse("1 + income").unwrap();
        assert_eq!(expression.eval(&|_| Some(Cell::Text(b"50000+."))), Err(BadCell { column: 0 }));
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
        assert_eq!(problem("a + 'x'"), "5: a text can only be compared with a column by == or !=");
        assert_eq!(problem("1.5.2"), "1: \"1.5.2\" is no number");
        assert_eq!(problem("sqrt(a)"), "1: no function \"sqrt\"; there are min, max, log1p, clamp");
        assert_eq!(problem("clamp(a, 1)"), "1: clamp takes 3 values, found 2");
        assert_eq!(problem(""), "1: expected a value, found the end");
        for deep in ["(", "-", "1 ^ "].map(|level| level.repeat(10_000)) {
            assert!(problem(&deep).ends_with(": more than 100 levels of parentheses"), "{}", problem(&deep));
        }
    }
}
