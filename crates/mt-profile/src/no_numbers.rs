//! Columns that a configuration reads as numbers and that hold something else.

use mt_data::scan::schema;
use mt_data::{DataConfig, Features, Result};
use mt_features::{NumericMissing, TaskConfig, number::whole_f64};

use crate::column::ColumnProfile;
use crate::kind::Kind;
use crate::profile::{Profile, Sample};

/// What the first rows of the training files hold in the columns that `features: all` makes numbers of.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct NoNumbers {
    /// Rows looked at.
    pub rows: u64,
    /// The columns that hold something that is no number, in the order of the file.
    pub columns: Vec<ColumnProfile>,
    /// Texts there that say that a value is missing, and that the configuration does not list.
    pub nothing: Vec<&'static str>,
    /// Cells of the other columns that are errors because they hold no value.
    pub empty: u64,
}

impl NoNumbers {
    /// Looks at up to 10,000 rows of each training file; `None` where `features` is not `all` and where there are no files.
    /// For whoever has met a cell that is no number, and wants to know of all columns at once.
    ///
    /// # Errors
    /// Whatever is wrong with the configuration or a file.
    pub fn find(data: &DataConfig, tasks: &[TaskConfig]) -> Result<Option<Self>> {
        let Some(csv) = data.row_files().filter(|csv| csv.features == Features::All) else { return Ok(None) };
        let sample = Sample { csv: Some(csv.clone()), ..Sample::default() };
        let profile = Profile::read_from(&data.storage, &csv.train, &sample, &|_| ())?;
        let names = profile.columns.iter().map(|column| column.name.clone()).collect();
        let named = profile.has_names() || csv.names.is_some();
        let Some(path) = profile.files.first() else { return Ok(None) };
        let schema = schema(path, names, named, data, tasks)?;
        let listed = |text: &[u8]| csv.missing.iter().any(|missing| missing.as_bytes() == text);
        let is_bad = |column: &ColumnProfile| {
            let stray = |(text, _): (&[u8], u64)| whole_f64(text).is_none() && !listed(text);
            let typed = matches!(column.kind, Kind::List(None) | Kind::Unreadable(_));
            typed || column.iter().any(stray)
        };
        let numeric = profile.columns.into_iter().filter(|column| schema.numeric.contains(&column.name));
        let fails = data.numeric_missing == NumericMissing::Fail;
        let mut found = NoNumbers { rows: profile.rows, columns: Vec::new(), nothing: Vec::new(), empty: 0 };
        for column in numeric {
            if is_bad(&column) {
                found.columns.push(column);
                continue;
            }
            let unlisted = column.missing_texts.iter().filter(|(text, _)| !listed(text.as_bytes()));
            found.nothing.extend(unlisted.clone().map(|(text, _)| *text));
            found.empty += if fails { column.missing } else { unlisted.map(|(_, count)| count).sum() };
        }
        found.nothing.sort_unstable();
        found.nothing.dedup();
        Ok(Some(found))
    }
}
