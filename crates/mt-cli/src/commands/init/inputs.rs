//! Which columns a model reads, how, and which it does not, and why.

use mt_profile::{ColumnProfile, Kind, Profile};

use super::label::{Label, LabelKind, plain, unique};
use crate::report::{short, thousands};
use crate::yaml::scalar;

/// Values of a column from which on rare ones share a row of its table.
const MANY: usize = 100;
/// What may stand between the values of a list that the file has as a list, should the model meet it in a text.
const SEPARATORS: [char; 4] = ['|', ';', ',', ' '];

/// The columns by what becomes of them.
pub struct Inputs {
    pub numbers: Vec<Input>,
    pub fields: Vec<Input>,
    pub left_out: Vec<Input>,
    /// Whether most numbers are a few large ones among many small ones.
    pub skewed: bool,
}

/// A column.
pub struct Input {
    pub column: usize,
    /// Keys beside `column` of a field, as they are written.
    pub keys: String,
    /// What it holds, or why it is left out.
    pub comment: String,
}

impl Inputs {
    pub fn new(profile: &Profile, labels: &[Label], split: Option<usize>) -> Self {
        let mut inputs =
            Inputs { numbers: Vec::new(), fields: Vec::new(), left_out: Vec::new(), skewed: false };
        let is_label = |column: usize| labels.iter().any(|label| label.column == column);
        for column in (0..profile.columns.len()).filter(|&column| !is_label(column)) {
            let of = &profile.columns[column];
            let input = |keys: String, comment: String| Input { column, keys, comment };
            match fate(of) {
                _ if split == Some(column) => {}
                Fate::Number(comment) => inputs.numbers.push(input(String::new(), comment)),
                Fate::Field(keys, comment) => inputs.fields.push(input(keys, comment)),
                Fate::Out(why) => inputs.left_out.push(input(String::new(), why)),
            }
        }
        for label in labels {
            inputs.leave_out_leaks(profile, label);
        }
        inputs.left_out.sort_by_key(|input| input.column);
        inputs.name_fields(profile);
        let range = |input: &Input| profile.columns[input.column].numbers;
        let scaled: Vec<_> = inputs.numbers.iter().filter_map(range).filter(|r| r.max > 1.0).collect();
        let tails = scaled.iter().filter(|range| range.min >= 0.0 && range.max > 20.0 * range.mean);
        inputs.skewed = 2 * tails.count() > scaled.len();
        inputs
    }

    /// Fields whose columns' names are alike but for what cannot be part of a name get names of their own.
    fn name_fields(&mut self, profile: &Profile) {
        let mut names: Vec<String> = Vec::new();
        for field in &mut self.fields {
            let default = plain(&profile.columns[field.column].name);
            let name = unique(&default, &names);
            if name != default {
                field.keys = format!(", name: {}{}", scalar(&name), field.keys);
            }
            names.push(name);
        }
    }

    fn leave_out_leaks(&mut self, profile: &Profile, label: &Label) {
        let inputs = self.numbers.iter().chain(&self.fields).map(|input| input.column);
        let among: Vec<usize> = inputs.collect();
        let binary = label.kind == LabelKind::Binary;
        for (column, evidence) in profile.leaks(label.column, |text| label.value(text), binary, &among) {
            let why = match evidence {
                mt_profile::Evidence::Auc(auc) => {
                    format!("alone gives AUC {auc:.4} on {}: known only after the outcome is?", label.task)
                }
                _ => format!("is the label of {} under another name", label.task),
            };
            self.numbers.retain(|input| input.column != column);
            self.fields.retain(|input| input.column != column);
            self.left_out.push(Input { column, keys: String::new(), comment: why });
        }
    }
}

/// What becomes of a column.
enum Fate {
    Number(String),
    Field(String, String),
    Out(String),
}

fn fate(of: &ColumnProfile) -> Fate {
    let encode = match of.more || of.distinct > MANY {
        // So that the row of unknown values is trained, and a table holds what can be learnt of.
        true => ", encode: {vocabulary: {min_count: 2}}",
        false => "",
    };
    let values = values(of);
    match &of.kind {
        Kind::Number => Fate::Number(range(of)),
        Kind::Flag => Fate::Number(format!("0 and 1, mean {}{}", mean(of), missing(of))),
        // As a number it is the same in any file and request: a boolean of Parquet, `true` in JSON, `True` in a text.
        Kind::Boolean if of.is_true_or_false() => {
            Fate::Number(format!("true and false, true in {}{}", share_true(of), missing(of)))
        }
        Kind::Boolean | Kind::Category | Kind::Identifier => {
            let stray = of.numbers.filter(|_| of.texts > 0 && of.texts * 10 < of.cells);
            let comment = match stray {
                Some(_) => format!("{values}; numbers but for {} of them", thousands(of.texts as usize)),
                None => values,
            };
            Fate::Field(encode.to_owned(), comment)
        }
        Kind::List(separator) => {
            let written = separator.unwrap_or_else(|| free_separator(of));
            let lengths = of.lists.map_or(String::new(), |lists| {
                format!("; {} a list on average, {} at most", short(lists.mean), lists.max)
            });
            let separator = serde_json::Value::from(written.to_string());
            Fate::Field(format!(", separator: {separator}{encode}"), format!("{values}{lengths}"))
        }
        Kind::Empty => Fate::Out("no value in the sample".to_owned()),
        Kind::Constant => Fate::Out(format!("{} in every row of the sample", first(of))),
        Kind::Time(unit) => {
            Fate::Out(format!("a time ({unit}): later rows have values that training has not"))
        }
        Kind::IsoTime => Fate::Out(format!(
            "a time as a text, such as {}: later rows have values that training has not",
            first(of)
        )),
        Kind::Unique => Fate::Out(format!("another value in every row, such as {}", first(of))),
        Kind::Text => Fate::Out(format!("sentences, such as {}", first(of))),
        Kind::DecimalComma => {
            Fate::Out(format!("numbers with a comma, such as {}; write a point", first(of)))
        }
        Kind::Brackets => Fate::Out(format!(
            "lists in brackets, such as {}; write the values with a separator between them",
            first(of)
        )),
        Kind::Unreadable(found) => Fate::Out(format!("{found}, which no column is read as")),
        other => Fate::Out(format!("{other:?}")),
    }
}

fn share_true(of: &ColumnProfile) -> String {
    let is_true = |(text, _): &(&[u8], u64)| text.eq_ignore_ascii_case(b"true");
    let count: u64 = of.iter().filter(is_true).map(|(_, count)| count).sum();
    format!("{} %", short(100.0 * count as f64 / of.values.max(1) as f64))
}

/// A separator that none of the values shown holds.
fn free_separator(of: &ColumnProfile) -> char {
    let held = |c: &char| of.iter().any(|(text, _)| text.contains(&(*c as u8)));
    SEPARATORS.into_iter().find(|c| !held(c)).unwrap_or('\x02')
}

fn values(of: &ColumnProfile) -> String {
    let over = if of.more { "over " } else { "" };
    let plural = if of.distinct == 1 { "" } else { "s" };
    format!("{over}{} value{plural}{}", thousands(of.distinct), missing(of))
}

fn missing(of: &ColumnProfile) -> String {
    match of.missing {
        0 => String::new(),
        n => format!(", missing in {} %", short(100.0 * n as f64 / of.cells.max(1) as f64)),
    }
}

fn mean(of: &ColumnProfile) -> String {
    of.numbers.map_or(String::new(), |range| short(range.mean))
}

fn range(of: &ColumnProfile) -> String {
    let Some(range) = of.numbers else { return String::new() };
    format!("from {} to {}, mean {}{}", range.min, range.max, short(range.mean), missing(of))
}

fn first(of: &ColumnProfile) -> String {
    of.top.first().map_or(String::new(), |(text, _)| format!("{text:?}"))
}
