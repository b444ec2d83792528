//! A draft as text.

use std::fmt::Write;

use super::draft::Draft;
use super::inputs::Input;
use super::label::{Label, LabelKind};
use super::names::column;
use super::split::Split;
use super::times;
use crate::report::thousands;
use crate::yaml::scalar;

/// Characters of a line of comment.
const WIDTH: usize = 110;
/// Rows below which batches are small.
const SMALL: u64 = 20_000;

/// A comment in lines, each behind `indent`.
fn comment(text: &str, indent: &str) -> String {
    let mut lines = String::new();
    let mut line = format!("{indent}#");
    for word in text.split(' ') {
        if line.chars().count() + 1 + word.chars().count() > WIDTH && line.len() > indent.len() + 1 {
            lines += &line;
            lines.push('\n');
            line = format!("{indent}#");
        }
        line.push(' ');
        line += word;
    }
    lines + &line + "\n"
}

/// Lines with their comments in a column of their own.
fn beside(lines: &[(String, String)], mark: &str) -> String {
    const FARTHEST: usize = 70;
    let longest = lines.iter().map(|(line, _)| line.chars().count()).filter(|n| *n <= FARTHEST).max();
    let width = longest.unwrap_or(0);
    let mut text = String::new();
    for (line, comment) in lines {
        // A line break in a value would end the comment.
        let comment: String = comment.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let _ = writeln!(text, "{line:<width$}  {mark}{comment}");
    }
    text
}

impl Draft<'_> {
    /// The configuration.
    pub fn text(&self) -> String {
        let Draft { profile, inputs, .. } = self;
        let rows = thousands(profile.rows as usize);
        let (files, whole) = (profile.files.len(), if profile.whole { "all" } else { "the first" });
        let of = if files == 1 { "1 file".to_owned() } else { format!("{} files", thousands(files)) };
        let mut text = comment(
            &format!("Written by mt init, by {whole} {rows} rows of {of}. A beginning: read it."),
            "",
        );
        text += "version: 1\ndata:\n";
        text += &self.source();
        if !inputs.numbers.is_empty() {
            text += "  # An empty cell of a number is the mean of the training rows; `fail` refuses it.\n";
            text += "  numeric_missing: mean\n";
            if inputs.skewed {
                text += "  # Most numbers are a few large ones among many small ones.\n  normalize: log1p-standard\n";
            }
        }
        if !inputs.fields.is_empty() {
            text += "  # Looked up in embedding tables, a row each value.\n  fields:\n";
            let of = |input: &Input| {
                let line = format!("  - {{column: {}{}}}", column(profile, input.column), input.keys);
                (line, input.comment.clone())
            };
            text += &beside(&inputs.fields.iter().map(of).collect::<Vec<_>>(), "# ");
        }
        let times = times::fields(profile, &self.labels, self.split.column());
        if !times.is_empty() {
            text += "  # What a time says, should it count: in UTC, or with an offset such as \"+08:00\" behind the time.\n";
            if inputs.fields.is_empty() {
                text += "  # fields:\n";
            }
            times.iter().for_each(|line| text += &format!("  # {line}\n"));
        }
        if let Some(group) = self.group {
            text += "  # Metrics within each of its values, too (GAUC).\n";
            let _ = writeln!(text, "  group: {}", column(profile, group));
        }
        text += &self.set_aside();
        text += &self.tasks();
        text += &self.model();
        text
    }

    fn source(&self) -> String {
        let Draft { args, profile, inputs, .. } = self;
        let typed = profile.typed == profile.files.len();
        let mut text = format!("  {}:\n", if typed { "parquet" } else { "csv" });
        let files: Vec<String> =
            args.files.iter().map(|file| serde_json::Value::from(file.as_str()).to_string()).collect();
        match &files[..] {
            [file] => text += &format!("    train: {file}\n"),
            files => text += &format!("    train: [{}]\n", files.join(", ")),
        }
        if !typed {
            let delimiter = serde_json::Value::from(profile.csv.delimiter.to_string());
            let _ = writeln!(text, "    delimiter: {delimiter}\n    header: {}", profile.csv.header);
        }
        let mut missing: Vec<&str> = Vec::new();
        for (nothing, _) in profile.columns.iter().flat_map(|column| &column.missing_texts) {
            if !missing.contains(nothing) {
                missing.push(nothing);
            }
        }
        missing.sort_unstable();
        if !missing.is_empty() {
            let listed: Vec<String> =
                missing.iter().map(|text| serde_json::Value::from(*text).to_string()).collect();
            text += "    # Texts that, like an empty cell, say that a value is missing.\n";
            let _ = writeln!(text, "    missing: [{}]", listed.join(", "));
        }
        if inputs.numbers.is_empty() {
            text += "    features: none\n";
        } else {
            text += "    # Numbers, normalised. One that stands for somebody or something belongs to `fields`; what is only\n    # known when the outcome is belongs nowhere.\n";
            text += "    features:\n";
            let of =
                |input: &Input| (format!("    - {}", column(profile, input.column)), input.comment.clone());
            text += &beside(&inputs.numbers.iter().map(of).collect::<Vec<_>>(), "# ");
        }
        if !inputs.left_out.is_empty() {
            text += "    # Left out:\n";
            let of = |input: &Input| {
                let name: String = profile.columns[input.column]
                    .name
                    .chars()
                    .map(|c| if c.is_control() { ' ' } else { c })
                    .collect();
                (format!("    #   {name:?}"), input.comment.clone())
            };
            text += &beside(&inputs.left_out.iter().map(of).collect::<Vec<_>>(), "");
        }
        text
    }

    fn set_aside(&self) -> String {
        match &self.split {
            Split::Time { rules: [valid, test], comment: why, .. } => {
                comment(why, "  ") + &format!("  split:\n    valid: {valid}\n    test: {test}\n")
            }
            Split::Shares { share, comment: why } => {
                comment(why, "  ") + &format!("  valid_fraction: {share}\n  test_fraction: {share}\n")
            }
        }
    }

    fn tasks(&self) -> String {
        let of = |label: &Label| {
            let kind = match label.kind {
                LabelKind::Binary => String::new(),
                LabelKind::Multiclass(classes) => format!(", kind: multiclass, classes: {classes}"),
                LabelKind::Regression { .. } => ", kind: regression".to_owned(),
            };
            let within = label.within.as_ref().map_or(String::new(), |rule| format!(", where: {rule}"));
            (
                format!("- {{name: {}, label: {}{kind}{within}}}", scalar(&label.task), label.written),
                label.comment.clone(),
            )
        };
        "tasks:\n".to_owned() + &beside(&self.labels.iter().map(of).collect::<Vec<_>>(), "# ")
    }

    fn model(&self) -> String {
        let Draft { profile, inputs, .. } = self;
        let mut text = match &self.labels[..] {
            [_] => "model:\n  kind: shared-bottom\n  bottom: [64, 32]\n  tower: [16]\n".to_owned(),
            _ => "model:\n  # Experts that all tasks share, and a gate each: docs/models.md has the others.\n  kind: mmoe\n  \
                  experts: 4\n  expert: [64, 32]\n  tower: [16]\n"
                .to_owned(),
        };
        if !inputs.fields.is_empty() {
            text += "  embedding: {width: 8}\n";
        }
        let batch = if profile.whole && profile.rows < SMALL { 64 } else { 512 };
        let _ = write!(
            text,
            "train:\n  epochs: 10\n  patience: 2\n  batch_size: {batch}\n  optimizer: {{kind: adam, lr: 0.001}}\n"
        );
        let tails: Vec<String> = self
            .labels
            .iter()
            .filter(|label| label.kind == LabelKind::Regression { tail: true })
            .map(|label| format!("{}: log-mse", scalar(&label.task)))
            .collect();
        if !tails.is_empty() {
            text += "  # Labels with a long tail.\n";
            let _ = writeln!(text, "  task_losses: {{{}}}", tails.join(", "));
        }
        text
    }
}
