//! The value of an expression on one record.

use super::{Expression, Function, Node, Operator};
use crate::missing::Missing;
use crate::number::whole_f64;
use crate::value::Value;

/// Up to here, an `f64` holds every whole number.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// A cell that is no number where one is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BadCell {
    /// Which of the expression's columns.
    pub column: usize,
}

/// What an expression finds in a column.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Cell<'a> {
    Text(&'a [u8]),
    Number(f64),
    Whole(i128),
}

impl<'a> Cell<'a> {
    /// What a value is in an expression, if it is not missing.
    #[inline]
    pub fn of(value: Value<'a>, missing: &Missing) -> Option<Self> {
        if missing.holds(value) {
            return None;
        }
        match value {
            Value::Missing | Value::List(_) => None,
            Value::Text(text) => (!is_missing(text)).then_some(Cell::Text(text)),
            Value::Unsigned(x) => Some(Cell::Whole(x.into())),
            Value::Integer(x) => Some(Cell::Whole(x.into())),
            Value::Number(x) => Some(Cell::Number(x)),
            // What its text says.
            Value::Single(x) => Some(Cell::Number(x.to_string().parse().unwrap_or(x.into()))),
        }
    }

    /// Whether it has this text.
    fn is(self, text: &[u8]) -> bool {
        match self {
            Cell::Text(cell) => cell == text,
            Cell::Number(x) => x.to_string().as_bytes() == text,
            Cell::Whole(x) => itoa::Buffer::new().format(x).as_bytes() == text,
        }
    }
}

/// Whether a label's or an expression's cell holds nothing: empty, `null` or `NaN`.
pub(crate) fn is_missing(cell: &[u8]) -> bool {
    match cell.len() {
        0 => true,
        3 => cell.eq_ignore_ascii_case(b"nan"),
        4 => cell.eq_ignore_ascii_case(b"null"),
        _ => false,
    }
}

/// A number, and its text where it comes right from a cell or a whole literal.
#[derive(Clone, Copy)]
pub(super) struct Number<'a> {
    pub value: f64,
    cell: &'a [u8],
    exact: Option<i128>,
}

impl Number<'_> {
    const fn of(value: f64) -> Self {
        Number { value, cell: &[], exact: None }
    }

    fn whole(self) -> Option<i128> {
        self.exact.or_else(|| std::str::from_utf8(self.cell).ok()?.parse().ok())
    }

    /// Exact for whole numbers that an `f64` would round.
    fn compare(self, other: Self) -> Option<std::cmp::Ordering> {
        let large = self.value.abs() >= EXACT && other.value.abs() >= EXACT;
        if large && let (Some(a), Some(b)) = (self.whole(), other.whole()) {
            return Some(a.cmp(&b));
        }
        self.value.partial_cmp(&other.value)
    }
}

impl Expression {
    /// The value on a record whose cells `cell` gives by column; a missing cell is `None`, and so is a missing
    /// value.
    pub fn eval<'a>(&'a self, cell: &impl Fn(usize) -> Option<Cell<'a>>) -> Result<Option<f64>, BadCell> {
        Ok(self.root.eval(cell)?.map(|number| number.value))
    }
}

impl Node {
    pub(super) fn eval<'a>(
        &'a self,
        cell: &impl Fn(usize) -> Option<Cell<'a>>,
    ) -> Result<Option<Number<'a>>, BadCell> {
        let number = match self {
            Node::Number(value, exact) => Some(Number { value: *value, cell: &[], exact: *exact }),
            Node::Column(column) => match cell(*column) {
                None => None,
                Some(Cell::Number(value)) => Some(Number::of(value)),
                Some(Cell::Whole(x)) => Some(Number { value: x as f64, cell: &[], exact: Some(x) }),
                Some(Cell::Text(text)) => {
                    let value = whole_f64(text).ok_or(BadCell { column: *column })?;
                    Some(Number { value, cell: text, exact: None })
                }
            },
            Node::Same { column, text, same } => {
                cell(*column).map(|cell| Number::of(f64::from(cell.is(text) == *same)))
            }
            Node::Negative(node) => node.eval(cell)?.map(|number| Number::of(-number.value)),
            Node::Not(node) => node.eval(cell)?.map(|number| Number::of(f64::from(number.value == 0.0))),
            Node::Chain(first, rest) => {
                let mut value = first.eval(cell)?;
                for (operator, operand) in rest {
                    let number = binary(*operator, value, operand.eval(cell)?);
                    value = number.filter(|number| number.value.is_finite());
                }
                value
            }
            Node::Call(function, values) => call(*function, values, cell)?,
        };
        Ok(number.filter(|number| number.value.is_finite()))
    }
}

fn binary<'a>(operator: Operator, a: Option<Number<'a>>, b: Option<Number<'a>>) -> Option<Number<'a>> {
    let truth = |known: bool| Some(Number::of(f64::from(known)));
    let is = |number: Option<Number<'_>>| number.map(|number| number.value != 0.0);
    match (operator, is(a), is(b)) {
        (Operator::And, Some(false), _) | (Operator::And, _, Some(false)) => return truth(false),
        (Operator::Or, Some(true), _) | (Operator::Or, _, Some(true)) => return truth(true),
        _ => {}
    }
    let (a, b) = (a?, b?);
    let order = a.compare(b)?;
    match operator {
        Operator::Add => Some(Number::of(a.value + b.value)),
        Operator::Subtract => Some(Number::of(a.value - b.value)),
        Operator::Multiply => Some(Number::of(a.value * b.value)),
        Operator::Divide => Some(Number::of(a.value / b.value)),
        Operator::Power => Some(Number::of(libm::pow(a.value, b.value))),
        Operator::Equal => truth(order.is_eq()),
        Operator::NotEqual => truth(order.is_ne()),
        Operator::Less => truth(order.is_lt()),
        Operator::LessOrEqual => truth(order.is_le()),
        Operator::Greater => truth(order.is_gt()),
        Operator::GreaterOrEqual => truth(order.is_ge()),
        // Neither side decided it above.
        Operator::And => truth(true),
        Operator::Or => truth(false),
    }
}

fn call<'a>(
    function: Function,
    values: &'a [Node],
    cell: &impl Fn(usize) -> Option<Cell<'a>>,
) -> Result<Option<Number<'a>>, BadCell> {
    let mut numbers = [0.0; 3];
    let mut extreme: Option<f64> = None;
    for (i, value) in values.iter().enumerate() {
        let Some(Number { value, .. }) = value.eval(cell)? else { return Ok(None) };
        extreme = Some(match (function, extreme) {
            (Function::Min, Some(so_far)) => so_far.min(value),
            (Function::Max, Some(so_far)) => so_far.max(value),
            (_, _) => value,
        });
        if let Some(number) = numbers.get_mut(i) {
            *number = value;
        }
    }
    let [x, low, high] = numbers;
    let value = match function {
        Function::Min | Function::Max => extreme,
        Function::Log1p => Some(libm::log1p(x)),
        // Not `f64::clamp`, which panics where the limits are the wrong way round.
        Function::Clamp => Some(x.max(low).min(high)),
    };
    Ok(value.map(Number::of))
}
