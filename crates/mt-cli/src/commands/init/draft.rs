//! What a configuration of some files is to say.

use anyhow::Result;
use mt_profile::{Kind, Profile};

use super::inputs::Inputs;
use super::label::{self, Label};
use super::split::Split;
use crate::args::{InitArgs, Usage};

/// Everything that stands in the configuration.
pub struct Draft<'a> {
    pub args: &'a InitArgs,
    pub profile: &'a Profile,
    pub labels: Vec<Label>,
    pub inputs: Inputs,
    pub split: Split,
    /// What rows are grouped by.
    pub group: Option<usize>,
}

impl<'a> Draft<'a> {
    pub fn new(args: &'a InitArgs, profile: &'a Profile) -> Result<Self> {
        let mut labels: Vec<Label> = Vec::new();
        for name in &args.label {
            let column = profile.find(name, "--label")?;
            if labels.iter().any(|label| label.column == column) {
                return Err(Usage(format!("--label names {name:?} twice")).into());
            }
            let mut label = Label::new(profile, column)?;
            let others: Vec<String> = labels.iter().map(|label| label.task.clone()).collect();
            label.task = label::unique(&label.task, &others);
            labels.push(label);
        }
        let split = Split::new(profile, &labels);
        let inputs = Inputs::new(profile, &labels, split.column());
        if inputs.numbers.is_empty() && inputs.fields.is_empty() {
            let text = "no column is left to predict from: mt data stats FILE shows what the columns hold";
            return Err(Usage(text.to_owned()).into());
        }
        let repeated = |&column: &usize| {
            let column = &profile.columns[column];
            matches!(column.kind, Kind::Identifier | Kind::Category) && column.missing == 0
        };
        let fields = inputs.fields.iter().map(|field| field.column).filter(repeated);
        let group = fields.filter_map(|column| Some((profile.groups(column)?, column))).min();
        Ok(Draft { args, profile, labels, inputs, split, group: group.map(|(_, column)| column) })
    }
}
