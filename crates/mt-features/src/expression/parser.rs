//! From tokens to a tree, by recursive descent: one function a level of precedence.

use std::collections::BTreeMap;

use super::lexer::{self, Token};
use super::node::{Gives, Node, Operator};
use super::tree::{Expression, Mention, Problem};
use crate::fields::{SEPARATOR, separates};
use crate::moment::Moment;

/// Deeper expressions would only fill the stack.
const DEEPEST: usize = 100;
/// Longer ones are computed for every row, which nobody means.
const LONGEST: usize = 1 << 20;
const COMPARISONS: [(&str, Operator); 6] = [
    ("==", Operator::Equal),
    ("!=", Operator::NotEqual),
    ("<=", Operator::LessOrEqual),
    (">=", Operator::GreaterOrEqual),
    ("<", Operator::Less),
    (">", Operator::Greater),
];

impl Expression {
    /// Reads an expression.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        parse(text)
    }

    /// Reads an expression that may be a text.
    pub fn parse_value(text: &str) -> Result<Self, Problem> {
        parse_value(text)
    }
}

/// Reads an expression whose value is a number.
fn parse(text: &str) -> Result<Expression, Problem> {
    parse_as(text, Parser::number)
}

/// Reads an expression whose value may be a text as well.
fn parse_value(text: &str) -> Result<Expression, Problem> {
    parse_as(text, |_, part| Ok(part.node))
}

fn parse_as(text: &str, root: fn(&Parser, Part) -> Result<Node, Problem>) -> Result<Expression, Problem> {
    if text.len() > LONGEST {
        let problem = format!("expected at most {LONGEST} bytes, found {}", text.len());
        return Err(Problem { at: 1, problem });
    }
    let (tokens, end) = (lexer::tokens(text)?, text.chars().count() + 1);
    let (columns, known) = (Vec::new(), BTreeMap::new());
    let mut parser = Parser { tokens, next: 0, end, depth: 0, columns, known };
    let part = parser.or()?;
    let root = root(&parser, part)?;
    match parser.tokens.get(parser.next) {
        None => Ok(Expression { root, columns: parser.columns }),
        Some(_) => Err(parser.expected("an operator")),
    }
}

/// A part of an expression, and where it begins.
pub(super) struct Part {
    pub at: usize,
    pub node: Node,
}

pub(super) struct Parser {
    pub tokens: Vec<(usize, Token)>,
    pub next: usize,
    /// Position behind the last character.
    end: usize,
    depth: usize,
    columns: Vec<Mention>,
    /// Their numbers.
    known: BTreeMap<String, usize>,
}

impl Parser {
    pub fn at(&self) -> usize {
        self.tokens.get(self.next).map_or(self.end, |(at, _)| *at)
    }

    pub fn expected(&self, what: &str) -> Problem {
        let found = match self.tokens.get(self.next).map(|(_, token)| token) {
            None => "the end".to_owned(),
            Some(Token::Number(value, _)) => format!("\"{value}\""),
            Some(Token::Text(text) | Token::Word(text, _)) => format!("{text:?}"),
            Some(Token::Symbol(symbol)) => format!("\"{symbol}\""),
        };
        Problem { at: self.at(), problem: format!("expected {what}, found {found}") }
    }

    /// Takes the next token if it is one of `symbols`, and says which.
    pub fn take(&mut self, symbols: &[&str]) -> Option<usize> {
        let Some((_, Token::Symbol(found))) = self.tokens.get(self.next) else { return None };
        let which = symbols.iter().position(|symbol| symbol == found)?;
        self.next += 1;
        Some(which)
    }

    /// A part that is a number or can be one.
    pub fn number(&self, part: Part) -> Result<Node, Problem> {
        match part.node.gives() {
            Gives::Number | Gives::Either => Ok(part.node),
            Gives::Text => {
                let problem = "a text is no number; it can be compared by == and !=, or be a value of cross, if and count";
                Err(Problem { at: part.at, problem: problem.to_owned() })
            }
        }
    }

    pub fn or(&mut self) -> Result<Part, Problem> {
        self.chain(&["||"], &[Operator::Or], Self::and)
    }

    fn and(&mut self) -> Result<Part, Problem> {
        self.chain(&["&&"], &[Operator::And], Self::comparison)
    }

    fn sum(&mut self) -> Result<Part, Problem> {
        self.chain(&["+", "-"], &[Operator::Add, Operator::Subtract], Self::product)
    }

    fn product(&mut self) -> Result<Part, Problem> {
        let operators = [Operator::Multiply, Operator::Divide, Operator::Remainder];
        self.chain(&["*", "/", "%"], &operators, Self::unary)
    }

    /// Operands joined by operators of one level, from the left.
    fn chain(
        &mut self,
        symbols: &[&str],
        operators: &[Operator],
        operand: fn(&mut Self) -> Result<Part, Problem>,
    ) -> Result<Part, Problem> {
        let first = operand(self)?;
        let Some(mut which) = self.take(symbols) else { return Ok(first) };
        let at = first.at;
        let first = self.number(first)?;
        let mut rest = Vec::new();
        loop {
            let part = operand(self)?;
            rest.push((operators[which], self.number(part)?));
            match self.take(symbols) {
                Some(next) => which = next,
                None => return Ok(Part { at, node: Node::Chain(Box::new(first), rest) }),
            }
        }
    }

    fn comparison(&mut self) -> Result<Part, Problem> {
        let symbols = COMPARISONS.map(|(symbol, _)| symbol);
        let left = self.sum()?;
        let Some(which) = self.take(&symbols) else { return Ok(left) };
        let operator = COMPARISONS[which].1;
        let right = self.sum()?;
        let part = Part { at: left.at, node: self.compare(operator, left, right)? };
        let at = self.at();
        match self.take(&symbols) {
            None => Ok(part),
            Some(_) => {
                let problem = "a comparison cannot be compared again; use && or parentheses".to_owned();
                Err(Problem { at, problem })
            }
        }
    }

    fn compare(&self, operator: Operator, left: Part, right: Part) -> Result<Node, Problem> {
        let text = |part: &Part| part.node.gives() == Gives::Text;
        if matches!(operator, Operator::Equal | Operator::NotEqual) && (text(&left) || text(&right)) {
            return Ok(Node::Same(Box::new([left.node, right.node]), operator == Operator::Equal));
        }
        let (time, literal, operator) = match (left, right) {
            (left, Part { at, node: Node::Text(text) }) => (left, (at, text), operator),
            (Part { at, node: Node::Text(text) }, right) => (right, (at, text), operator.exchanged()),
            (left, right) => {
                let (left, right) = (self.number(left)?, self.number(right)?);
                return Ok(Node::Chain(Box::new(left), vec![(operator, right)]));
            }
        };
        let (at, text) = literal;
        let Some(moment) = Moment::iso(&text) else {
            let text = String::from_utf8_lossy(&text);
            let problem = format!(
                "{text:?} is no time such as \"2026-03-07\" or \"2026-03-07T14:00:00Z\"; other texts can only be compared by == or !="
            );
            return Err(Problem { at, problem });
        };
        Ok(Node::Since(operator, Box::new(self.number(time)?), moment))
    }

    fn unary(&mut self) -> Result<Part, Problem> {
        let at = self.at();
        match self.take(&["!", "-"]) {
            None => self.power(),
            Some(which) => {
                self.descend()?;
                let part = self.unary()?;
                self.depth -= 1;
                let node = Box::new(self.number(part)?);
                Ok(Part { at, node: if which == 0 { Node::Not(node) } else { Node::Negative(node) } })
            }
        }
    }

    /// The exponent is what `!` and `-` may stand before, so that `a ^ -1` needs no parentheses.
    fn power(&mut self) -> Result<Part, Problem> {
        let base = self.primary()?;
        if self.take(&["^"]).is_none() {
            return Ok(base);
        }
        self.descend()?;
        let exponent = self.unary()?;
        self.depth -= 1;
        let at = base.at;
        let (base, exponent) = (self.number(base)?, self.number(exponent)?);
        Ok(Part { at, node: Node::Chain(Box::new(base), vec![(Operator::Power, exponent)]) })
    }

    pub fn descend(&mut self) -> Result<(), Problem> {
        self.depth += 1;
        if self.depth <= DEEPEST {
            return Ok(());
        }
        let at = self.tokens.get(self.next - 1).map_or(self.end, |(at, _)| *at);
        Err(Problem { at, problem: format!("more than {DEEPEST} levels of parentheses") })
    }

    fn primary(&mut self) -> Result<Part, Problem> {
        let at = self.at();
        if self.take(&["("]).is_some() {
            self.descend()?;
            let inside = self.or()?;
            self.close()?;
            return Ok(inside);
        }
        let Some((_, token)) = self.tokens.get(self.next).cloned() else {
            return Err(self.expected("a value"));
        };
        let node = match token {
            Token::Number(value, exact) => Node::Number(value, exact),
            Token::Text(text) => Node::Text(text.into_bytes()),
            Token::Word(name, quoted) => {
                self.next += 1;
                let node = match !quoted && self.take(&["("]).is_some() {
                    true => self.call(at, &name)?,
                    false => {
                        let column = self.column(name, at);
                        self.columns[column].single = true;
                        Node::Column(column)
                    }
                };
                return Ok(Part { at, node });
            }
            Token::Symbol(_) => return Err(self.expected("a value")),
        };
        self.next += 1;
        Ok(Part { at, node })
    }

    pub fn close(&mut self) -> Result<(), Problem> {
        self.depth -= 1;
        self.take(&[")"]).map(|_| ()).ok_or_else(|| self.expected("\")\""))
    }

    fn column(&mut self, name: String, at: usize) -> usize {
        let next = self.columns.len();
        let column = *self.known.entry(name.clone()).or_insert(next);
        if column == next {
            self.columns.push(Mention { name, at, single: false, list: None });
        }
        column
    }

    /// A column whose lists are read, and the separator that may stand behind it.
    pub fn list(&mut self) -> Result<usize, Problem> {
        let at = self.at();
        let Some((_, Token::Word(name, _))) = self.tokens.get(self.next).cloned() else {
            return Err(self.expected("the column of a list"));
        };
        self.next += 1;
        let column = self.column(name, at);
        self.columns[column].list.get_or_insert(None);
        if self.take(&[","]).is_none() {
            return Ok(column);
        }
        let at = self.at();
        let separator = match self.tokens.get(self.next) {
            Some((_, Token::Text(text))) => text.parse().ok().filter(|&c: &char| separates(c)),
            _ => None,
        };
        let Some(separator) = separator else {
            return Err(self.expected(&format!("a separator, {SEPARATOR}")));
        };
        self.next += 1;
        match self.columns[column].list.replace(Some(separator)) {
            Some(Some(other)) if other != separator => {
                let problem = format!("the separator of this column was {other:?} before");
                Err(Problem { at, problem })
            }
            _ => Ok(column),
        }
    }
}
