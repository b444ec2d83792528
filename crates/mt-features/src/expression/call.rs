//! The functions of expressions: their names, and what each takes.

use super::lexer::Token;
use super::node::{Function, Gives, Node};
use super::parser::{Parser, Part};
use super::tree::Problem;
use crate::epoch::Unit;
use crate::moment::{self, Part as OfTime};

/// What a name means.
#[derive(Debug, Clone, Copy)]
enum Meaning {
    /// A function of so many numbers, or of two and more.
    Numbers(Function, Option<usize>),
    If,
    Cross,
    Length,
    Count,
    Time(OfTime),
}

const FUNCTIONS: [(&str, Meaning); 24] = [
    ("min", Meaning::Numbers(Function::Min, None)),
    ("max", Meaning::Numbers(Function::Max, None)),
    ("clamp", Meaning::Numbers(Function::Clamp, Some(3))),
    ("abs", Meaning::Numbers(Function::Abs, Some(1))),
    ("floor", Meaning::Numbers(Function::Floor, Some(1))),
    ("ceil", Meaning::Numbers(Function::Ceil, Some(1))),
    ("round", Meaning::Numbers(Function::Round, Some(1))),
    ("sqrt", Meaning::Numbers(Function::Sqrt, Some(1))),
    ("log", Meaning::Numbers(Function::Log, Some(1))),
    ("log1p", Meaning::Numbers(Function::Log1p, Some(1))),
    ("exp", Meaning::Numbers(Function::Exp, Some(1))),
    ("if", Meaning::If),
    ("cross", Meaning::Cross),
    ("len", Meaning::Length),
    ("count", Meaning::Count),
    ("second", Meaning::Time(OfTime::Second)),
    ("minute", Meaning::Time(OfTime::Minute)),
    ("hour", Meaning::Time(OfTime::Hour)),
    ("weekday", Meaning::Time(OfTime::Weekday)),
    ("day", Meaning::Time(OfTime::Day)),
    ("month", Meaning::Time(OfTime::Month)),
    ("year", Meaning::Time(OfTime::Year)),
    ("days", Meaning::Time(OfTime::Days)),
    ("seconds", Meaning::Time(OfTime::Seconds)),
];

const UNITS: [(&str, Unit); 6] = [
    ("days", Unit::Days),
    ("s", Unit::Seconds),
    ("ms", Unit::Milliseconds),
    ("us", Unit::Microseconds),
    ("ns", Unit::Nanoseconds),
    ("yyyymmdd", Unit::Digits),
];

impl Parser {
    /// A function's values, behind its opening parenthesis.
    pub fn call(&mut self, at: usize, name: &str) -> Result<Node, Problem> {
        let Some(&(_, meaning)) = FUNCTIONS.iter().find(|(function, _)| *function == name) else {
            let names = FUNCTIONS.map(|(name, _)| name).join(", ");
            return Err(Problem { at, problem: format!("no function {name:?}; there are {names}") });
        };
        self.descend()?;
        let node = match meaning {
            Meaning::Length => Node::Length(self.list()?),
            Meaning::Count => self.count()?,
            Meaning::Time(part) => self.time(part)?,
            Meaning::Numbers(function, takes) => {
                let parts = self.parts()?;
                check(at, name, parts.len(), takes)?;
                let numbers = parts.into_iter().map(|part| self.number(part));
                Node::Call(function, numbers.collect::<Result<_, _>>()?)
            }
            Meaning::Cross => {
                let parts = self.parts()?;
                check(at, name, parts.len(), None)?;
                Node::Cross(parts.into_iter().map(|part| part.node).collect())
            }
            Meaning::If => {
                let parts = self.parts()?;
                check(at, name, parts.len(), Some(3))?;
                let mut parts = parts.into_iter();
                let (Some(condition), Some(yes), Some(no)) = (parts.next(), parts.next(), parts.next())
                else {
                    return Err(self.expected("a value"));
                };
                Node::If(Box::new([self.number(condition)?, yes.node, no.node]))
            }
        };
        self.close()?;
        Ok(node)
    }

    /// Values between commas.
    fn parts(&mut self) -> Result<Vec<Part>, Problem> {
        let mut parts = vec![self.or()?];
        while self.take(&[","]).is_some() {
            parts.push(self.or()?);
        }
        Ok(parts)
    }

    /// `x in list`.
    fn count(&mut self) -> Result<Node, Problem> {
        let wanted = self.or()?;
        match self.tokens.get(self.next) {
            Some((_, Token::Word(word, false))) if word == "in" => self.next += 1,
            _ => return Err(self.expected("`in` and the column of a list")),
        }
        Ok(Node::Count(Box::new(wanted.node), self.list()?))
    }

    /// A time and, in any order, its unit and an offset.
    fn time(&mut self, part: OfTime) -> Result<Node, Problem> {
        let time = self.or()?;
        if time.node.gives() == Gives::Text {
            let problem = "expected a column or a number that is a time, found a text".to_owned();
            return Err(Problem { at: time.at, problem });
        }
        let (mut unit, mut offset) = (None, None);
        while self.take(&[","]).is_some() {
            let found = match self.tokens.get(self.next) {
                Some((_, Token::Text(text))) => text.clone(),
                _ => String::new(),
            };
            let written = UNITS.iter().find(|(name, _)| *name == found).map(|(_, unit)| *unit);
            match (written, moment::offset(found.as_bytes())) {
                (Some(written), _) if unit.is_none() => unit = Some(written),
                (_, Some(written)) if offset.is_none() && part != OfTime::Seconds => offset = Some(written),
                _ => {
                    let units = UNITS.map(|(name, _)| format!("{name:?}")).join(", ");
                    let offset =
                        if part == OfTime::Seconds { "" } else { ", or once an offset such as \"+08:00\"" };
                    return Err(self.expected(&format!("once a unit, {units}{offset}")));
                }
            }
            self.next += 1;
        }
        Ok(Node::Time { part, time: Box::new(time.node), unit, offset: offset.unwrap_or(0) })
    }
}

fn check(at: usize, name: &str, found: usize, takes: Option<usize>) -> Result<(), Problem> {
    let (good, takes) = match takes {
        Some(1) => (found == 1, "1 value".to_owned()),
        Some(n) => (found == n, format!("{n} values")),
        None => (found >= 2, "2 or more values".to_owned()),
    };
    match good {
        true => Ok(()),
        false => Err(Problem { at, problem: format!("{name} takes {takes}, found {found}") }),
    }
}
