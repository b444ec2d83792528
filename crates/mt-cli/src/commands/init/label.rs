//! What a label column is a label of.

use anyhow::Result;
use mt_profile::{ColumnProfile, Profile};

use super::names::in_expression;
use crate::args::Usage;
use crate::report::short;
use crate::yaml::scalar;

/// The largest number of classes that is guessed.
const CLASSES: usize = 20;
/// A mean that is so many times below the largest value: a long tail.
const TAIL: f64 = 10.0;

/// A task and its label.
pub struct Label {
    pub column: usize,
    /// Name of the task.
    pub task: String,
    /// `label` as it is written: a column or an expression.
    pub written: String,
    pub kind: LabelKind,
    /// `where` as it is written.
    pub within: Option<String>,
    /// What it was taken for, and why.
    pub comment: String,
    pub warning: Option<String>,
    meaning: Meaning,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum LabelKind {
    Binary,
    Multiclass(usize),
    Regression {
        /// Whether a few values are far above the mean.
        tail: bool,
    },
}

/// What the values of the column mean.
enum Meaning {
    /// These texts are 1, others 0.
    Texts(Vec<String>),
    /// This number is 1, others 0.
    Number(f64),
    /// The number itself.
    Itself,
}

impl Label {
    pub fn new(profile: &Profile, column: usize) -> Result<Self> {
        let of = &profile.columns[column];
        let name = &of.name;
        let rows = of.cells;
        if of.cells == of.missing {
            return Err(Usage(format!("--label {name}: no value in the first {rows} rows")).into());
        }
        if of.texts > 0 || of.truths().len() == 1 {
            return Self::of_texts(profile, column);
        }
        let mut numbers: Vec<(f64, u64)> = Vec::new();
        for (text, count) in of.ascending().unwrap_or_default() {
            let x: f64 = text.parse().unwrap_or(f64::NAN);
            match numbers.last_mut() {
                Some((last, sum)) if *last == x => *sum += count,
                _ => numbers.push((x, count)),
            }
        }
        let rest: Vec<f64> = numbers.iter().map(|(x, _)| *x).filter(|x| *x != -1.0).collect();
        let flags = rest.iter().all(|x| *x == 0.0 || *x == 1.0);
        // -1 beside what else is not below 0 says that nothing is known; beside 1 alone it is the other label.
        let unknown = rest.len() < numbers.len() && rest.len() > 1 && rest.iter().all(|x| *x >= 0.0);
        let values = if unknown { rest } else { numbers.iter().map(|(x, _)| *x).collect() };
        let within = unknown.then(|| scalar(&format!("{} != -1", in_expression(name))));
        let mut label = Self::itself(profile, column);
        label.within = within;
        let shown = |x: f64| x.to_string();
        match &values[..] {
            [one] if profile.whole => {
                let text = format!("--label {name}: {one} in each of {rows} rows: there is nothing to learn");
                return Err(Usage(text).into());
            }
            [one] => {
                label.warning = Some(format!("--label {name}: {one} in each of the first {rows} rows"));
                label.comment = format!("{one} in each row of the sample");
                if !flags {
                    label.kind = LabelKind::Regression { tail: false };
                }
            }
            [_, _] if flags => label.comment = share(&numbers, 1.0),
            [_, one] => {
                label.written = scalar(&format!("{} == {}", in_expression(name), shown(*one)));
                label.comment =
                    format!("two values; {} is the one that is predicted, {}", one, share(&numbers, *one));
                label.meaning = Meaning::Number(*one);
            }
            values if is_classes(values) => {
                let (least, most) = (values[0], values[values.len() - 1]);
                label.kind = LabelKind::Multiclass((most - least) as usize + 1);
                label.comment = format!("{} whole numbers from {least} to {most}: classes", values.len());
                if least != 0.0 {
                    label.written = scalar(&format!("{} - {}", in_expression(name), shown(least)));
                }
            }
            _ => {
                let range = of.numbers.as_ref();
                let tail = range.is_some_and(|range| range.min > -1.0 && range.max > TAIL * range.mean);
                label.kind = LabelKind::Regression { tail };
                label.comment = range.map_or(String::new(), |range| {
                    format!("numbers from {} to {}, mean {}", range.min, range.max, short(range.mean))
                });
            }
        }
        if unknown {
            label.comment += "; -1 says that it is not known";
        }
        Ok(label)
    }

    fn itself(profile: &Profile, column: usize) -> Self {
        let name = &profile.columns[column].name;
        Label {
            column,
            task: task(name),
            written: super::names::column(profile, column),
            kind: LabelKind::Binary,
            within: None,
            comment: String::new(),
            warning: None,
            meaning: Meaning::Itself,
        }
    }

    fn of_texts(profile: &Profile, column: usize) -> Result<Self> {
        let of = &profile.columns[column];
        let name = &of.name;
        let mut values: Vec<(String, u64)> =
            of.iter().map(|(text, count)| (String::from_utf8_lossy(text).into_owned(), count)).collect();
        // The rarer one is mostly the event.
        values.sort_by(|a, b| a.1.cmp(&b.1).then(a.0.cmp(&b.0)));
        let truths = of.truths();
        let (positives, guessed) = match (&truths[..], &values[..]) {
            ([], [(rare, _), _]) if !of.more => (vec![rare.clone()], true),
            ([], _) => return Err(Usage(no_label(of)).into()),
            (truths, _) => (truths.to_vec(), false),
        };
        let quoted = |text: &String| match text.contains('"') {
            true => format!("{} == '{text}'", in_expression(name)),
            false => format!("{} == \"{text}\"", in_expression(name)),
        };
        let expression = positives.iter().map(quoted).collect::<Vec<_>>().join(" || ");
        let count: u64 =
            values.iter().filter(|(text, _)| positives.contains(text)).map(|(_, count)| count).sum();
        let all: u64 = values.iter().map(|(_, count)| count).sum();
        let share = format!("{} %", short(100.0 * count as f64 / all.max(1) as f64));
        let comment = match guessed {
            true => format!("two texts; the rarer one, {share}, is taken for the event: is it?"),
            false => format!("texts that mean true and false; true {share}"),
        };
        let label = Self::itself(profile, column);
        // As a number it is the same where the file has booleans of its own.
        let written = if of.is_true_or_false() { label.written.clone() } else { scalar(&expression) };
        Ok(Label { written, comment, meaning: Meaning::Texts(positives), ..label })
    }

    /// The label that a value of the column is.
    pub fn value(&self, text: &[u8]) -> Option<f32> {
        let text = std::str::from_utf8(text).ok()?;
        let number = || text.parse::<f64>().ok().filter(|x| self.within.is_none() || *x != -1.0);
        match &self.meaning {
            Meaning::Texts(texts) => Some(f32::from(u8::from(texts.iter().any(|one| one == text)))),
            Meaning::Number(one) => number().map(|x| f32::from(u8::from(x == *one))),
            Meaning::Itself => number().map(|x| x as f32),
        }
    }
}

/// Few whole numbers, few of those between them left out.
fn is_classes(values: &[f64]) -> bool {
    let (Some(least), Some(most)) = (values.first(), values.last()) else { return false };
    let whole = values.iter().all(|x| x.fract() == 0.0);
    whole && *least >= 0.0 && values.len() <= CLASSES && most - least < 2.0 * values.len() as f64
}

fn share(numbers: &[(f64, u64)], of: f64) -> String {
    let all: u64 = numbers.iter().filter(|(x, _)| *x != -1.0 || of == -1.0).map(|(_, count)| count).sum();
    let count: u64 = numbers.iter().filter(|(x, _)| *x == of).map(|(_, count)| count).sum();
    format!("{of} in {} %", short(100.0 * count as f64 / all.max(1) as f64))
}

fn no_label(of: &ColumnProfile) -> String {
    let top: Vec<String> = of.top.iter().take(3).map(|(text, _)| format!("{text:?}")).collect();
    let (name, of_it) = (&of.name, in_expression(&of.name));
    let first = top.first().cloned().unwrap_or_default();
    format!(
        "--label {name}: expected numbers or two texts, found {}; leave it out here, and write a task by hand, such as \
         {{name: {}, label: {}}}",
        top.join(", "),
        task(name),
        scalar(&format!("{of_it} == {first}"))
    )
}

/// A task's name, of a column's.
fn task(name: &str) -> String {
    match plain(name) {
        name if name == "shared" || name.is_empty() => format!("task_{name}"),
        name => name,
    }
}

/// A column's name as a part of parameter names.
pub fn plain(name: &str) -> String {
    let reserved = |c: char| c == '.' || c == '/' || c.is_whitespace() || c.is_control();
    name.chars().map(|c| if reserved(c) { '_' } else { c }).collect()
}

/// A name that none of `others` is: itself, or with a number behind it.
pub fn unique(name: &str, others: &[String]) -> String {
    let numbered = (2..).map(|n| format!("{name}_{n}"));
    let mut names = std::iter::once(name.to_owned()).chain(numbered);
    names.find(|name| !name.is_empty() && !others.contains(name)).unwrap_or_default()
}
