//! The tree of an expression.

use crate::epoch::Unit;
use crate::moment::{Moment, Part};

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    /// A number, and its exact value where it is whole.
    Number(f64, Option<i128>),
    Text(Vec<u8>),
    /// Columns are counted as the expression names them.
    Column(usize),
    /// Whether two texts are the same, or, the other way, two different ones.
    Same(Box<[Node; 2]>, bool),
    /// How a time compares with a fixed one.
    Since(Operator, Box<Node>, Moment),
    Negative(Box<Node>),
    Not(Box<Node>),
    /// Operators of one level and what stands behind each, from the left: as long as it may be, it is no deeper than its
    /// deepest operand.
    Chain(Box<Node>, Vec<(Operator, Node)>),
    Call(Function, Vec<Node>),
    /// One of two values, by whether the first one is true.
    If(Box<[Node; 3]>),
    /// Texts, joined.
    Cross(Vec<Node>),
    /// A part of a time, where clocks are so many seconds ahead.
    Time {
        part: Part,
        time: Box<Node>,
        unit: Option<Unit>,
        offset: i64,
    },
    /// The length of the list in a column.
    Length(usize),
    /// How often a text stands in the list of a column.
    Count(Box<Node>, usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
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

/// What is computed of numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Function {
    Min,
    Max,
    Clamp,
    Abs,
    Floor,
    Ceil,
    Round,
    Sqrt,
    Log,
    Log1p,
    Exp,
}

/// What a node gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gives {
    Number,
    Text,
    /// What a column has, as a number or as a text.
    Either,
}

impl Node {
    pub fn gives(&self) -> Gives {
        match self {
            Node::Text(_) | Node::Cross(_) => Gives::Text,
            Node::Column(_) => Gives::Either,
            Node::If(parts) => match (parts[1].gives(), parts[2].gives()) {
                (Gives::Text, _) | (_, Gives::Text) => Gives::Text,
                (Gives::Number, Gives::Number) => Gives::Number,
                _ => Gives::Either,
            },
            _ => Gives::Number,
        }
    }

    /// Finds the columns that are read as numbers; `texts` says whether the node's own value is read as a text.
    pub fn read_as_numbers(&self, texts: bool, columns: &mut Vec<usize>) {
        let mut all = |nodes: &[Node], texts: bool| {
            nodes.iter().for_each(|node| node.read_as_numbers(texts, columns));
        };
        match self {
            Node::Number(..) | Node::Text(_) | Node::Length(_) => {}
            Node::Column(column) if !texts => columns.push(*column),
            Node::Column(_) => {}
            Node::Same(sides, _) => all(&sides[..], true),
            Node::Cross(nodes) => all(nodes, true),
            Node::Count(wanted, _) => all(std::slice::from_ref(wanted), true),
            // A column as a time is none as a number.
            Node::Since(_, time, _) | Node::Time { time, .. } => {
                let is_column = matches!(**time, Node::Column(_));
                all(std::slice::from_ref(time), is_column);
            }
            Node::Negative(node) | Node::Not(node) => all(std::slice::from_ref(node), false),
            Node::Chain(first, rest) => {
                all(std::slice::from_ref(first), false);
                rest.iter().for_each(|(_, node)| node.read_as_numbers(false, columns));
            }
            Node::Call(_, nodes) => all(nodes, false),
            Node::If(parts) => {
                all(&parts[..1], false);
                all(&parts[1..], texts);
            }
        }
    }

    /// Whether it looks at anything but numbers.
    pub fn needs_texts(&self) -> bool {
        match self {
            Node::Number(..) | Node::Column(_) => false,
            Node::Text(_) | Node::Same(..) | Node::Since(..) | Node::Cross(_) => true,
            Node::Time { .. } | Node::Length(_) | Node::Count(..) => true,
            Node::Negative(node) | Node::Not(node) => node.needs_texts(),
            Node::Chain(first, rest) => {
                first.needs_texts() || rest.iter().any(|(_, node)| node.needs_texts())
            }
            Node::Call(_, nodes) => nodes.iter().any(Node::needs_texts),
            Node::If(nodes) => nodes.iter().any(Node::needs_texts),
        }
    }
}

impl Operator {
    /// The comparison that says the same with its sides exchanged.
    pub fn exchanged(self) -> Self {
        match self {
            Operator::Less => Operator::Greater,
            Operator::LessOrEqual => Operator::GreaterOrEqual,
            Operator::Greater => Operator::Less,
            Operator::GreaterOrEqual => Operator::LessOrEqual,
            same => same,
        }
    }

    /// Whether a comparison is true of sides in this order; `None` for an operator that compares nothing.
    #[inline]
    pub fn holds(self, order: std::cmp::Ordering) -> Option<bool> {
        Some(match self {
            Operator::Equal => order.is_eq(),
            Operator::NotEqual => order.is_ne(),
            Operator::Less => order.is_lt(),
            Operator::LessOrEqual => order.is_le(),
            Operator::Greater => order.is_gt(),
            Operator::GreaterOrEqual => order.is_ge(),
            _ => return None,
        })
    }
}
