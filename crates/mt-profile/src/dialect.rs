//! How a text file is written: what stands between its cells, and whether its first record names the columns.

use std::path::Path;

use mt_data::error::BadLine;
use mt_data::scan::head;
use mt_data::{CsvConfig, Error, Result, Storage};
use mt_features::{Moment, number::whole_f64};

/// What is looked for, the surest first: control characters are mostly no part of a cell.
const DELIMITERS: [char; 5] = ['\x01', '\t', ',', ';', '|'];
/// Records that are looked at.
const RECORDS: usize = 200;

/// How the text file at `path` is written; `known` are names that its header has if there is one.
///
/// # Errors
/// A file that cannot be read, or in which no delimiter makes records of one width.
pub(crate) fn of(storage: &Storage, path: &Path, known: &[String]) -> Result<CsvConfig> {
    let mut best = None;
    let mut most = (false, 0);
    for delimiter in DELIMITERS {
        let records = head(storage, path, delimiter as u8, RECORDS)?;
        let width = records.first().map_or(0, Vec::len);
        let alike = records.iter().filter(|record| record.len() == width).count();
        // A stray record with a delimiter too many is for the reader to name.
        if width < 2 || 2 * alike <= records.len() {
            continue;
        }
        let fit = (10 * alike >= 9 * records.len(), width);
        if fit > most {
            (best, most) = (Some((delimiter, records)), fit);
        }
        if fit.0 && matches!(delimiter, '\x01' | '\t') {
            break;
        }
    }
    let Some((delimiter, records)) = best else {
        let problem = r#"no delimiter found: none of a comma, tab, semicolon, "|" and "\x01" makes records of one width"#;
        return Err(Error::Line(BadLine::new(path, 1, 1, problem)));
    };
    let header = has_header(&records, known);
    Ok(CsvConfig { delimiter, header, ..CsvConfig::new(path.display().to_string()) })
}

fn has_header(records: &[Vec<String>], known: &[String]) -> bool {
    let Some((first, rest)) = records.split_first() else { return true };
    if known.iter().any(|name| first.contains(name)) {
        return true;
    }
    // As pandas names columns without names.
    let counted = first.len() > 2 && first.iter().enumerate().all(|(i, name)| *name == i.to_string());
    let is_value =
        |text: &str| whole_f64(text.as_bytes()).is_some() || Moment::iso(text.as_bytes()).is_some();
    let mut sorted: Vec<&String> = first.iter().collect();
    sorted.sort();
    let twice = sorted.windows(2).any(|pair| pair[0] == pair[1]);
    if !counted && (twice || first.iter().any(|text| is_value(text))) {
        return false;
    }
    let column = |i: usize| rest.iter().filter_map(move |record| record.get(i));
    let among_values = |i: usize| {
        let (mut values, mut all) = (0, 0);
        column(i).filter(|cell| !cell.is_empty()).for_each(|cell| {
            (values, all) = (values + usize::from(is_value(cell)), all + 1);
        });
        2 * values > all
    };
    // A name above numbers, or names that none of the texts below has.
    counted
        || (0..first.len()).any(among_values)
        || (0..first.len()).all(|i| column(i).all(|c| *c != first[i]))
}
