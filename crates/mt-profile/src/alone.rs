//! Columns of a sample that alone give a label away.

use mt_features::fields::{Ids, KNOWN, MISSING};

use crate::column::ColumnProfile;
use crate::leaks::{Evidence, is_leak_of_number, is_leak_of_values};
use crate::tally::NO_CODE;

/// The columns from which alone a label can be read off, each with what was found, as [`leaks`](crate::leaks()) does for the
/// inputs of a model. `label` gives the label of a value of column `of`, `None` where it is missing; `binary` says whether
/// all are 0 or 1. Only the columns of `among` are looked at.
pub(crate) fn leaks(
    columns: &[ColumnProfile],
    of: usize,
    label: impl Fn(&[u8]) -> Option<f32>,
    binary: bool,
    among: &[usize],
) -> Vec<(usize, Evidence)> {
    let tally = &columns[of].tally;
    let Some(codes) = &tally.codes else { return Vec::new() };
    let by_code: Vec<Option<f32>> = tally.values.iter().map(&label).collect();
    let of_code = |code: u32| by_code.get(code as usize).copied().flatten();
    let (rows, labels): (Vec<usize>, Vec<f32>) =
        codes.iter().enumerate().filter_map(|(row, &code)| Some((row, of_code(code)?))).unzip();
    let evidence = |&column: &usize| {
        let tally = &columns[column].tally;
        let codes = tally.codes.as_ref()?;
        let of_number = || {
            let number = |&row: &usize| tally.parsed.get(codes[row] as usize).map_or(f32::NAN, |x| *x as f32);
            let numbers: Vec<f32> = rows.iter().map(number).collect();
            let there = numbers.iter().all(|x| !x.is_nan());
            there.then(|| is_leak_of_number(&numbers, &labels, binary)).flatten()
        };
        let of_values = || {
            let mut ids = Ids::single();
            codes.iter().for_each(|&code| ids.push(&[if code == NO_CODE { MISSING } else { code + KNOWN }]));
            if binary { is_leak_of_values(&ids, &rows, &labels) } else { None }
        };
        Some((column, of_number().or_else(of_values)?))
    };
    among.iter().filter(|&&column| column != of).filter_map(evidence).collect()
}
