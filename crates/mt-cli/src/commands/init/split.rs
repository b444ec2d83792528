//! Which rows are set aside: by time where there is one that can be compared, else by chance.

use mt_features::Unit;
use mt_profile::{ColumnProfile, Kind, Profile};

use super::label::Label;
use super::names::in_expression;
use crate::yaml::scalar;

/// Rows below which a tenth of them says little.
const FEW: u64 = 2_000;

/// Which rows are set aside.
pub enum Split {
    /// Those behind two times of a column.
    Time {
        column: usize,
        /// `valid` and `test` as they are written.
        rules: [String; 2],
        comment: String,
    },
    /// Shares of the rows.
    Shares { share: f64, comment: String },
}

/// How a column has its times.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Form {
    Count(Unit),
    Text,
}

impl Split {
    pub fn new(profile: &Profile, labels: &[Label]) -> Self {
        let share = if profile.whole && profile.rows < FEW { 0.2 } else { 0.1 };
        let form = |column: &ColumnProfile| match column.kind {
            _ if 2 * column.missing >= column.cells => None,
            Kind::Time(unit) => Some(Form::Count(unit)),
            Kind::IsoTime => Some(Form::Text),
            _ => None,
        };
        let is_label = |number: usize| labels.iter().any(|label| label.column == number);
        let times = profile.columns.iter().enumerate().filter(|(number, _)| !is_label(*number));
        // The finest one; of two a number, and of two such the first.
        let finest = times.filter_map(|(number, column)| Some((number, column, form(column)?))).min_by_key(
            |(number, column, form)| (std::cmp::Reverse(column.distinct), *form == Form::Text, *number),
        );
        let Some((number, column, form)) = finest else {
            let comment = "By chance, as no column is a time.".to_owned();
            return Split::Shares { share, comment };
        };
        if !profile.whole && column.is_sorted() {
            let [from, to] = ["FROM", "TO"].map(|time| written(form, time));
            let comment = format!(
                "By chance. Better by time: rows come in the order of {:?}, and only the first were looked at, so put in the \
                 times: split: {{valid: '{of} >= {from} && {of} < {to}', test: '{of} >= {to}'}}",
                column.name,
                of = in_expression(&column.name)
            );
            return Split::Shares { share, comment };
        }
        match bounds(column, share) {
            Some(bounds) => Self::by_time(column, number, form, bounds),
            None => {
                let comment = format!("By chance, as {:?} has too few times.", column.name);
                Split::Shares { share, comment }
            }
        }
    }

    fn by_time(column: &ColumnProfile, number: usize, form: Form, [from, to]: [String; 2]) -> Self {
        let of = in_expression(&column.name);
        let shown = |time: &String| match (form, time.parse()) {
            (Form::Count(unit), Ok(time)) => unit.shown(time),
            _ => time.clone(),
        };
        let unit = match form {
            Form::Count(unit) => format!(" ({unit})"),
            Form::Text => String::new(),
        };
        let comment = format!(
            "By time, as the model will meet rows that come later: {:?}{unit} from {} on, and from {} on.",
            column.name,
            shown(&from),
            shown(&to)
        );
        let [from, to] = [from, to].map(|time| written(form, &time));
        let rules = [format!("{of} >= {from} && {of} < {to}"), format!("{of} >= {to}")];
        Split::Time { column: number, rules: rules.map(|rule| scalar(&rule)), comment }
    }

    /// The column that rows are split by.
    pub fn column(&self) -> Option<usize> {
        match self {
            Split::Time { column, .. } => Some(*column),
            Split::Shares { .. } => None,
        }
    }
}

/// A time as an expression has it.
fn written(form: Form, time: &str) -> String {
    match form {
        Form::Count(_) => time.to_owned(),
        Form::Text => format!("\"{time}\""),
    }
}

/// Two times with about a share of the rows between them, and as much behind the second. Of few days the last two.
fn bounds(column: &ColumnProfile, share: f64) -> Option<[String; 2]> {
    let times = column.ascending()?;
    let all = times.iter().map(|(_, count)| count).sum::<u64>() as f64;
    let at = |below: f64| {
        let mut sum = 0;
        times.iter().position(|(_, count)| {
            sum += count;
            sum as f64 > below * all
        })
    };
    let (from, to) = (at(1.0 - 2.0 * share)?, at(1.0 - share)?);
    let (from, to) = if from < to { (from, to) } else { (times.len().checked_sub(2)?, times.len() - 1) };
    // Something must be left to train on: half of the rows.
    let before: u64 = times[..from].iter().map(|(_, count)| count).sum();
    (2.0 * before as f64 >= all).then(|| [from, to].map(|at| times[at].0.clone()))
}
