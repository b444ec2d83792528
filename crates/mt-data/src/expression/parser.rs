//! From tokens to a tree, by recursive descent: one function a level of precedence.

use std::collections::BTreeMap;

use super::{Expression, Function, Mention, Node, Operator, Problem, Token, lexer};

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
const FUNCTIONS: [(&str, Function); 4] =
    [("min", Function::Min), ("max", Function::Max), ("log1p", Function::Log1p), ("clamp", Function::Clamp)];

pub(super) fn parse(text: &str) -> Result<Expression, Problem> {
    if text.len() > LONGEST {
        let problem = format!("expected at most {LONGEST} bytes, found {}", text.len());
        return Err(Problem { at: 1, problem });
    }
    let (tokens, end) = (lexer::tokens(text)?, text.chars().count() + 1);
    let (columns, known) = (Vec::new(), BTreeMap::new());
    let mut parser = Parser { tokens, next: 0, end, depth: 0, columns, known };
    let root = parser.or()?;
    let root = parser.number(root)?;
    match parser.tokens.get(parser.next) {
        None => Ok(Expression { root, columns: parser.columns }),
        Some(_) => Err(parser.expected("an operator")),
    }
}

/// A part of an expression: a text has no value of its own.
enum Part {
    Number(Node),
    Text(usize, String),
}

struct Parser {
    tokens: Vec<(usize, Token)>,
    next: usize,
    /// Position behind the last character.
    end: usize,
    depth: usize,
    columns: Vec<Mention>,
    /// Their numbers.
    known: BTreeMap<String, usize>,
}

impl Parser {
    fn at(&self) -> usize {
        self.tokens.get(self.next).map_or(self.end, |(at, _)| *at)
    }

    fn expected(&self, what: &str) -> Problem {
        let found = match self.tokens.get(self.next).map(|(_, token)| token) {
            None => "the end".to_owned(),
            Some(Token::Number(value, _)) => format!("\"{value}\""),
            Some(Token::Text(text) | Token::Word(text, _)) => format!("{text:?}"),
            Some(Token::Symbol(symbol)) => format!("\"{symbol}\""),
        };
        Problem { at: self.at(), problem: format!("expected {what}, found {found}") }
    }

    /// Takes the next token if it is one of `symbols`, and says which.
    fn take(&mut self, symbols: &[&str]) -> Option<usize> {
        let Some((_, Token::Symbol(found))) = self.tokens.get(self.next) else { return None };
        let which = symbols.iter().position(|symbol| symbol == found)?;
        self.next += 1;
        Some(which)
    }

    fn number(&self, part: Part) -> Result<Node, Problem> {
        match part {
            Part::Number(node) => Ok(node),
            Part::Text(at, _) => {
                let problem = "a text can only be compared with a column by == or !=".to_owned();
                Err(Problem { at, problem })
            }
        }
    }

    fn or(&mut self) -> Result<Part, Problem> {
        self.chain(&["||"], &[Operator::Or], Self::and)
    }

    fn and(&mut self) -> Result<Part, Problem> {
        self.chain(&["&&"], &[Operator::And], Self::comparison)
    }

    fn sum(&mut self) -> Result<Part, Problem> {
        self.chain(&["+", "-"], &[Operator::Add, Operator::Subtract], Self::product)
    }

    fn product(&mut self) -> Result<Part, Problem> {
        self.chain(&["*", "/"], &[Operator::Multiply, Operator::Divide], Self::unary)
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
        let first = self.number(first)?;
        let mut rest = Vec::new();
        loop {
            let part = operand(self)?;
            rest.push((operators[which], self.number(part)?));
            match self.take(symbols) {
                Some(next) => which = next,
                None => return Ok(Part::Number(Node::Chain(Box::new(first), rest))),
            }
        }
    }

    fn comparison(&mut self) -> Result<Part, Problem> {
        let symbols = COMPARISONS.map(|(symbol, _)| symbol);
        let left = self.sum()?;
        let Some(which) = self.take(&symbols) else { return Ok(left) };
        let operator = COMPARISONS[which].1;
        let right = self.sum()?;
        let node = match (left, right) {
            (Part::Number(Node::Column(column)), Part::Text(_, text))
            | (Part::Text(_, text), Part::Number(Node::Column(column)))
                if matches!(operator, Operator::Equal | Operator::NotEqual) =>
            {
                Node::Same { column, text: text.into_bytes(), same: operator == Operator::Equal }
            }
            (left, right) => {
                let (left, right) = (self.number(left)?, self.number(right)?);
                Node::Chain(Box::new(left), vec![(operator, right)])
            }
        };
        let at = self.at();
        match self.take(&symbols) {
            None => Ok(Part::Number(node)),
            Some(_) => {
                let problem = "a comparison cannot be compared again; use && or parentheses".to_owned();
                Err(Problem { at, problem })
            }
        }
    }

    fn unary(&mut self) -> Result<Part, Problem> {
        match self.take(&["!", "-"]) {
            None => self.power(),
            Some(which) => {
                self.descend()?;
                let part = self.unary()?;
                self.depth -= 1;
                let node = Box::new(self.number(part)?);
                Ok(Part::Number(if which == 0 { Node::Not(node) } else { Node::Negative(node) }))
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
        let (base, exponent) = (self.number(base)?, self.number(exponent)?);
        Ok(Part::Number(Node::Chain(Box::new(base), vec![(Operator::Power, exponent)])))
    }

    fn descend(&mut self) -> Result<(), Problem> {
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
        let part = match token {
            Token::Number(value, exact) => Part::Number(Node::Number(value, exact)),
            Token::Text(text) => Part::Text(at, text),
            Token::Word(name, quoted) => {
                self.next += 1;
                if !quoted && self.take(&["("]).is_some() {
                    return self.call(at, &name);
                }
                return Ok(Part::Number(Node::Column(self.column(name, at))));
            }
            Token::Symbol(_) => return Err(self.expected("a value")),
        };
        self.next += 1;
        Ok(part)
    }

    fn close(&mut self) -> Result<(), Problem> {
        self.depth -= 1;
        self.take(&[")"]).map(|_| ()).ok_or_else(|| self.expected("\")\""))
    }

    fn column(&mut self, name: String, at: usize) -> usize {
        let next = self.columns.len();
        let column = *self.known.entry(name.clone()).or_insert(next);
        if column == next {
            self.columns.push(Mention { name, at });
        }
        column
    }

    /// A function's values, behind its opening parenthesis.
    fn call(&mut self, at: usize, name: &str) -> Result<Part, Problem> {
        let fail = |problem: String| Err(Problem { at, problem });
        let Some(&(_, function)) = FUNCTIONS.iter().find(|(function, _)| *function == name) else {
            let names = FUNCTIONS.map(|(name, _)| name).join(", ");
            return fail(format!("no function {name:?}; there are {names}"));
        };
        self.descend()?;
        let mut values = Vec::new();
        loop {
            let value = self.or()?;
            values.push(self.number(value)?);
            if self.take(&[","]).is_none() {
                break;
            }
        }
        self.close()?;
        let (good, takes) = match function {
            Function::Min | Function::Max => (values.len() >= 2, "2 or more values"),
            Function::Log1p => (values.len() == 1, "1 value"),
            Function::Clamp => (values.len() == 3, "3 values"),
        };
        match good {
            true => Ok(Part::Number(Node::Call(function, values))),
            false => fail(format!("{name} takes {takes}, found {}", values.len())),
        }
    }
}
