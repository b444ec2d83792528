//! What a loss that is no finite number came from.

use std::fmt;

/// The first thing on a batch's way through the model that was not finite.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotFinite {
    /// A numeric column, or `the embedding of FIELD`, of the network's input.
    Input(String),
    /// A parameter, by its name.
    Parameter(String),
    /// The output of a layer, by the name that its parameters share; they and its input are finite.
    Output(String),
    /// The loss of a task, by its name; all logits are finite.
    Loss(String),
}

/// Where a loss that is not finite came from.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Culprit {
    /// What was not finite.
    pub first: NotFinite,
    /// Rows in which it was not, or all of the batch where that is no question of rows: places in the file or files that
    /// training rows are read from, counted from 1, or among the rows trained on where those cannot be told.
    pub rows: Vec<usize>,
    /// What `rows` are places of.
    pub origin: String,
}

impl fmt::Display for NotFinite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Input(column) => write!(f, "the input {column}"),
            Self::Parameter(name) => write!(f, "the parameter {name}"),
            Self::Output(layer) => write!(f, "the output of {layer}, whose parameters and input are finite"),
            Self::Loss(task) => write!(f, "the loss of {task}, whose logits are finite"),
        }
    }
}

/// Rows that an error lists.
const LISTED: usize = 5;

impl fmt::Display for Culprit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let listed: Vec<String> = self.rows.iter().take(LISTED).map(usize::to_string).collect();
        let rows = if self.rows.len() == 1 { "row" } else { "rows" };
        write!(f, "first not finite is {}, in {rows} {}", self.first, listed.join(", "))?;
        if self.rows.len() > LISTED {
            write!(f, " and {} more", self.rows.len() - LISTED)?;
        }
        write!(f, " of {}", self.origin)
    }
}
