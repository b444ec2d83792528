//! The texts, lists and times of an expression, column by column.

use super::column::{A_TIME, BadCell, Faults, Numbers, Text, Texts};
use super::eval::Evaluation;
use super::node::{Node, Operator};
use super::rows::{Cell, Rows};
use crate::epoch::Unit;
use crate::moment::{Moment, Part};
use crate::value::Value;

/// Between the texts of `cross`.
const CROSS: &[u8] = "×".as_bytes();

/// Appends a part of a cross. What could be taken for the end of a part gets a backslash before it, so that no two lists of
/// texts become one text.
fn write_part(part: &[u8], to: &mut Vec<u8>) {
    let special = |at: usize| part[at] == b'\\' || part[at..].starts_with(CROSS);
    let mut start = 0;
    for at in (0..part.len()).filter(|&at| special(at)) {
        to.extend_from_slice(&part[start..at]);
        to.push(b'\\');
        start = at;
    }
    to.extend_from_slice(&part[start..]);
}

impl<'a, R: Rows<'a>> Evaluation<'_, R> {
    /// The text of each row: of a number its shortest one.
    pub fn texts(&self, node: &Node) -> Texts<'a> {
        let rows = self.rows.len();
        let mut texts = Texts::with_capacity(rows);
        match node {
            Node::Text(text) => {
                texts.made.extend_from_slice(text);
                texts.rows = vec![Some(Text::Made { start: 0, end: text.len() }); rows];
            }
            Node::Column(column) => {
                for row in 0..rows {
                    let value = self.rows.value(*column, row);
                    match (Cell::of(value, self.rows.missing()), value) {
                        (None, _) => texts.rows.push(None),
                        (Some(Cell::Text(text)), _) => texts.rows.push(Some(Text::Cell(text))),
                        (Some(Cell::Number(x)), Value::Number(_)) => texts.push_number(Some(x)),
                        _ => {
                            let start = texts.made.len();
                            value.write(&mut texts.made);
                            texts.push_made(start);
                        }
                    }
                }
            }
            Node::Cross(nodes) => {
                let parts: Vec<Texts<'a>> = nodes.iter().map(|node| self.texts(node)).collect();
                for row in 0..rows {
                    let start = texts.made.len();
                    let whole = parts.iter().enumerate().all(|(i, part)| {
                        let Some(text) = part.get(row) else { return false };
                        if i > 0 {
                            texts.made.extend_from_slice(CROSS);
                        }
                        write_part(text, &mut texts.made);
                        true
                    });
                    match whole {
                        true => texts.push_made(start),
                        false => {
                            texts.made.truncate(start);
                            texts.rows.push(None);
                        }
                    }
                }
                parts.iter().for_each(|part| texts.faults.add(&part.faults, |_| true));
            }
            Node::If(parts) => {
                let [condition, yes, no] = &**parts;
                let (condition, yes, no) = (self.numbers(condition), self.texts(yes), self.texts(no));
                let is = &condition.values;
                texts.made = yes.made;
                let behind = texts.made.len();
                texts.made.extend_from_slice(&no.made);
                texts.faults = condition.faults;
                texts.faults.add(&yes.faults, |row| !is[row].is_nan() && is[row] != 0.0);
                texts.faults.add(&no.faults, |row| is[row] == 0.0);
                let moved = |text: Text<'a>| match text {
                    Text::Made { start, end } => Text::Made { start: behind + start, end: behind + end },
                    cell => cell,
                };
                texts.rows.extend((0..rows).map(|row| match is[row] {
                    x if x.is_nan() => None,
                    0.0 => no.rows[row].map(moved),
                    _ => yes.rows[row],
                }));
            }
            number => {
                let numbers = self.numbers(number);
                numbers.values.iter().for_each(|&x| texts.push_number(Some(x).filter(|x| !x.is_nan())));
                texts.faults = numbers.faults;
            }
        }
        texts
    }

    /// Whether two texts are the same.
    pub fn same(&self, sides: &[Node; 2], same: bool) -> Numbers {
        let [left, right] = sides.each_ref().map(|side| self.texts(side));
        let of = |row: usize| match (left.get(row), right.get(row)) {
            (Some(a), Some(b)) => f64::from(u8::from((a == b) == same)),
            _ => f64::NAN,
        };
        let values = (0..self.rows.len()).map(of).collect();
        let mut faults = left.faults.clone();
        faults.add(&right.faults, |_| true);
        Numbers { values, faults }
    }

    /// Whether each row's time compares so with `moment`.
    pub fn since(&self, operator: Operator, time: &Node, moment: Moment) -> Numbers {
        let holds = |time: Moment| operator.holds(time.cmp(&moment)).map(|known| f64::from(u8::from(known)));
        self.of_times(time, None, holds)
    }

    /// A part of each row's time.
    pub fn time(&self, part: Part, time: &Node, unit: Option<Unit>, offset: i64) -> Numbers {
        self.of_times(time, unit, |time| time.part(part, offset))
    }

    /// What `of` makes of each row's time; numbers count in `unit`, unless their column knows better.
    fn of_times(&self, node: &Node, unit: Option<Unit>, of: impl Fn(Moment) -> Option<f64>) -> Numbers {
        let Node::Column(column) = *node else {
            let mut numbers = self.numbers(node);
            let time = |x: f64| Moment::number(x, unit).and_then(&of).unwrap_or(f64::NAN);
            numbers.values.iter_mut().for_each(|x| *x = time(*x));
            return numbers;
        };
        let (rows, missing) = (self.rows.len(), self.rows.missing());
        let unit = self.rows.unit(column).or(unit);
        let mut faults = Faults::default();
        let time = |row: usize| {
            let Some(cell) = Cell::of(self.rows.value(column, row), missing) else { return f64::NAN };
            let iso = if let Cell::Text(text) = cell { Moment::iso(text) } else { None };
            let moment = match (iso, cell.number()) {
                (Some(moment), _) => Some(moment),
                (None, Some(number)) => match cell.whole().and_then(|whole| i64::try_from(whole).ok()) {
                    Some(whole) => Moment::whole(whole, unit),
                    None => Moment::number(number, unit),
                },
                (None, None) => {
                    faults.note(row, rows, BadCell { column, expected: A_TIME });
                    None
                }
            };
            moment.and_then(&of).unwrap_or(f64::NAN)
        };
        let values = (0..rows).map(time).collect();
        Numbers { values, faults }
    }

    /// How many values a column's lists have: none where there is no list.
    pub fn lengths(&self, column: usize) -> Numbers {
        self.of_lists(column, |_, _| true, |_| true)
    }

    /// How many of them have the text of `node`.
    pub fn counts(&self, node: &Node, column: usize) -> Numbers {
        let wanted = self.texts(node);
        let is = |row: usize, value: &[u8]| wanted.get(row) == Some(value);
        let mut counts = self.of_lists(column, is, |row| wanted.get(row).is_some());
        counts.faults = wanted.faults.clone();
        counts
    }

    /// How many values of each row's list `counts` takes; missing where `known` says so.
    fn of_lists(
        &self,
        column: usize,
        counts: impl Fn(usize, &[u8]) -> bool,
        known: impl Fn(usize) -> bool,
    ) -> Numbers {
        let separator = self.mentions[column].list.flatten().map_or(b' ', |separator| separator as u8);
        let missing = self.rows.missing();
        let (mut list, mut buffer) = (Vec::new(), Vec::new());
        let mut count = |row: usize| {
            let value = self.rows.list(column, row, &mut list);
            match value {
                Value::List(values) => {
                    let is = |value: &&Value<'_>| counts(row, value.trimmed().text(&mut buffer));
                    values.iter().filter(is).count()
                }
                value if value.is_missing(missing) => 0,
                Value::Text(text) => {
                    text.split(|&b| b == separator).filter(|value| counts(row, value.trim_ascii())).count()
                }
                value => usize::from(counts(row, value.text(&mut buffer))),
            }
        };
        let count = |row: usize| if known(row) { count(row) as f64 } else { f64::NAN };
        Numbers::new((0..self.rows.len()).map(count).collect())
    }
}
