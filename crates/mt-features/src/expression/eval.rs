//! The numbers of an expression, column by column: each node gives a whole column before the next one is looked at.

use super::column::{A_NUMBER, BadCell, Column, Faults, Numbers};
use super::node::{Function, Gives, Node, Operator};
use super::rows::{Cell, Rows};
use super::tree::{Expression, Mention};

/// Up to here, an `f64` holds every whole number.
const EXACT: f64 = 9_007_199_254_740_992.0;

impl Expression {
    /// The number of each row.
    pub fn numbers<'a>(&self, rows: &impl Rows<'a>) -> Numbers {
        Evaluation { mentions: &self.columns, rows }.numbers(&self.root)
    }

    /// The value of each row: a number where the expression can give nothing else, otherwise its text.
    pub fn column<'a>(&self, rows: &impl Rows<'a>) -> Column<'a> {
        let evaluation = Evaluation { mentions: &self.columns, rows };
        match self.root.gives() {
            Gives::Number => Column::Numbers(evaluation.numbers(&self.root)),
            Gives::Text | Gives::Either => Column::Texts(evaluation.texts(&self.root)),
        }
    }
}

/// An expression over some rows.
pub(super) struct Evaluation<'e, R> {
    pub mentions: &'e [Mention],
    pub rows: &'e R,
}

/// A number where it is finite, else NaN, which is missing.
#[inline]
fn finite(x: f64) -> f64 {
    if x.is_finite() { x } else { f64::NAN }
}

fn truth(known: bool) -> f64 {
    f64::from(u8::from(known))
}

impl<'a, R: Rows<'a>> Evaluation<'_, R> {
    pub fn numbers(&self, node: &Node) -> Numbers {
        match node {
            Node::Number(value, _) => Numbers::new(vec![finite(*value); self.rows.len()]),
            Node::Column(column) => self.cells(*column),
            // The parser lets no text stand where a number is needed.
            Node::Text(_) | Node::Cross(_) => Numbers::new(vec![f64::NAN; self.rows.len()]),
            Node::Same(sides, same) => self.same(sides, *same),
            Node::Since(operator, time, moment) => self.since(*operator, time, *moment),
            Node::Negative(node) => self.map(node, |x| -x),
            Node::Not(node) => self.map(node, |x| truth(x == 0.0)),
            Node::Chain(first, rest) => {
                // A comparison is a chain of its own, of two sides.
                if let [(operator, right)] = &rest[..]
                    && operator.holds(std::cmp::Ordering::Equal).is_some()
                {
                    return self.compare(*operator, first, right);
                }
                let mut value = self.numbers(first);
                for (operator, operand) in rest {
                    value = combine(*operator, value, &self.numbers(operand));
                }
                value
            }
            Node::Call(function, nodes) => self.call(*function, nodes),
            Node::If(parts) => self.choose(parts),
            Node::Time { part, time, unit, offset } => self.time(*part, time, *unit, *offset),
            Node::Length(column) => self.lengths(*column),
            Node::Count(node, column) => self.counts(node, *column),
        }
    }

    /// The numbers of a column.
    fn cells(&self, column: usize) -> Numbers {
        let mut faults = Faults::default();
        let (rows, missing) = (self.rows.len(), self.rows.missing());
        let number = |row: usize| {
            let Some(cell) = Cell::of(self.rows.value(column, row), missing) else { return f64::NAN };
            cell.number().map_or_else(
                || {
                    faults.note(row, rows, BadCell { column, expected: A_NUMBER });
                    f64::NAN
                },
                finite,
            )
        };
        let values = (0..rows).map(number).collect();
        Numbers { values, faults }
    }

    fn map(&self, node: &Node, of: impl Fn(f64) -> f64) -> Numbers {
        let mut numbers = self.numbers(node);
        let of = |x: f64| if x.is_nan() { x } else { finite(of(x)) };
        numbers.values.iter_mut().for_each(|x| *x = of(*x));
        numbers
    }

    /// Exact for whole numbers that an `f64` would round.
    fn compare(&self, operator: Operator, left: &Node, right: &Node) -> Numbers {
        let (mut numbers, others) = (self.numbers(left), self.numbers(right));
        for (row, (a, &b)) in numbers.values.iter_mut().zip(&others.values).enumerate() {
            let large = a.abs() >= EXACT && b.abs() >= EXACT;
            let exact = if large { self.whole(left, row).zip(self.whole(right, row)) } else { None };
            let order = exact.map_or_else(|| (*a).partial_cmp(&b), |(a, b)| Some(a.cmp(&b)));
            *a = order.and_then(|order| operator.holds(order)).map_or(f64::NAN, truth);
        }
        numbers.faults.add(&others.faults, |_| true);
        numbers
    }

    /// The exact number of a row, of a node that holds it as it was written.
    fn whole(&self, node: &Node, row: usize) -> Option<i128> {
        match node {
            Node::Number(_, exact) => *exact,
            Node::Column(column) => Cell::of(self.rows.value(*column, row), self.rows.missing())?.whole(),
            _ => None,
        }
    }

    fn call(&self, function: Function, nodes: &[Node]) -> Numbers {
        let Some((first, rest)) = nodes.split_first() else {
            return Numbers::new(vec![f64::NAN; self.rows.len()]);
        };
        match function {
            Function::Min => self.fold(first, rest, |_, x, y| x.min(y)),
            Function::Max => self.fold(first, rest, |_, x, y| x.max(y)),
            // Not `f64::clamp`, which panics where the limits are the wrong way round.
            Function::Clamp => self.fold(first, rest, |at, x, y| if at == 0 { x.max(y) } else { x.min(y) }),
            Function::Abs => self.map(first, f64::abs),
            Function::Floor => self.map(first, f64::floor),
            Function::Ceil => self.map(first, f64::ceil),
            Function::Round => self.map(first, f64::round),
            Function::Sqrt => self.map(first, f64::sqrt),
            Function::Log => self.map(first, libm::log),
            Function::Log1p => self.map(first, libm::log1p),
            Function::Exp => self.map(first, libm::exp),
        }
    }

    /// Takes in one number after the other, up to the first that is missing: what is behind it is not looked at.
    fn fold(&self, first: &Node, rest: &[Node], of: impl Fn(usize, f64, f64) -> f64) -> Numbers {
        let mut so_far = self.numbers(first);
        for (at, node) in rest.iter().enumerate() {
            let next = self.numbers(node);
            let there = &so_far.values;
            so_far.faults.add(&next.faults, |row| !there[row].is_nan());
            for (x, &y) in so_far.values.iter_mut().zip(&next.values) {
                *x = if x.is_nan() || y.is_nan() { f64::NAN } else { of(at, *x, y) };
            }
        }
        so_far
    }

    fn choose(&self, parts: &[Node; 3]) -> Numbers {
        let [condition, yes, no] = parts.each_ref().map(|node| self.numbers(node));
        let mut faults = condition.faults;
        let is = &condition.values;
        faults.add(&yes.faults, |row| !is[row].is_nan() && is[row] != 0.0);
        faults.add(&no.faults, |row| is[row] == 0.0);
        let of = |row: usize| match is[row] {
            x if x.is_nan() => f64::NAN,
            0.0 => no.values[row],
            _ => yes.values[row],
        };
        Numbers { values: (0..is.len()).map(of).collect(), faults }
    }
}

/// Joins two columns by an operator that compares nothing.
fn combine(operator: Operator, mut a: Numbers, b: &Numbers) -> Numbers {
    let mut each = |of: fn(f64, f64) -> f64| {
        a.values.iter_mut().zip(&b.values).for_each(|(x, &y)| *x = finite(of(*x, y)));
    };
    match operator {
        Operator::Add => each(|x, y| x + y),
        Operator::Subtract => each(|x, y| x - y),
        Operator::Multiply => each(|x, y| x * y),
        Operator::Divide => each(|x, y| x / y),
        Operator::Remainder => each(remainder),
        // A power of 0 of what is missing would be 1.
        Operator::Power => each(|x, y| if x.is_nan() || y.is_nan() { f64::NAN } else { libm::pow(x, y) }),
        Operator::And => each(and),
        Operator::Or => each(or),
        _ => each(|_, _| f64::NAN),
    }
    a.faults.add(&b.faults, |_| true);
    a
}

/// What is left of `x` behind whole multiples of `y`, with the sign of `y`: -1 % 24 is 23.
fn remainder(x: f64, y: f64) -> f64 {
    let rest = x % y;
    if rest != 0.0 && (rest < 0.0) != (y < 0.0) { rest + y } else { rest }
}

/// False where one is, whatever the other may be.
fn and(x: f64, y: f64) -> f64 {
    match (x == 0.0, y == 0.0) {
        (true, _) | (_, true) => 0.0,
        _ if x.is_nan() || y.is_nan() => f64::NAN,
        _ => 1.0,
    }
}

/// True where one is, whatever the other may be.
fn or(x: f64, y: f64) -> f64 {
    let is = |x: f64| !x.is_nan() && x != 0.0;
    match is(x) || is(y) {
        true => 1.0,
        _ if x.is_nan() || y.is_nan() => f64::NAN,
        _ => 0.0,
    }
}
