//! What a time may give as inputs: lines to be taken in by whoever wants them.

use mt_features::Unit;
use mt_profile::{Kind, Profile};

use super::label::{Label, plain, unique};
use super::names::in_expression;
use crate::yaml::scalar;

/// Fields of the time that rows are split by, else of the first one, as comments.
pub fn fields(profile: &Profile, labels: &[Label], split: Option<usize>) -> Vec<String> {
    let is_time = |number: &usize| {
        let kind = &profile.columns[*number].kind;
        matches!(kind, Kind::Time(_) | Kind::IsoTime) && labels.iter().all(|label| label.column != *number)
    };
    let Some(number) = split.or_else(|| (0..profile.columns.len()).find(is_time)) else { return Vec::new() };
    let column = &profile.columns[number];
    let unit = match column.kind {
        Kind::Time(Unit::Days) => ", \"days\"",
        Kind::Time(Unit::Seconds) => ", \"s\"",
        Kind::Time(Unit::Milliseconds) => ", \"ms\"",
        Kind::Time(Unit::Microseconds) => ", \"us\"",
        Kind::Time(Unit::Nanoseconds) => ", \"ns\"",
        Kind::Time(Unit::Digits) => ", \"yyyymmdd\"",
        _ => "",
    };
    let dates = matches!(column.kind, Kind::Time(Unit::Days | Unit::Digits));
    let parts: &[&str] = if dates { &["weekday"] } else { &["hour", "weekday"] };
    let names: Vec<String> = profile.columns.iter().map(|column| column.name.clone()).collect();
    let field = |part: &&str| {
        let name = unique(&format!("{}_{part}", plain(&column.name)), &names);
        let value = format!("{part}({}{unit})", in_expression(&column.name));
        format!("- {{name: {}, value: {}}}", scalar(&name), scalar(&value))
    };
    parts.iter().map(field).collect()
}
