//! From a raw record to a row of numbers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::raw::{FIELDS, NAMES, Record};
use crate::error::Result;

/// Columns that stay raw: age, wage per hour, capital gains and losses, dividends, instance weight, employers,
/// own business, veterans' benefits, weeks worked, year.
const NUMERIC: [usize; 11] = [0, 5, 16, 17, 18, 24, 30, 36, 38, 39, 40];
/// Industry and occupation codes, whose categories sort as integers.
const CODES: [usize; 2] = [2, 3];
const EDUCATION: usize = 4;
const MARITAL: usize = 7;
const INSTANCE_WEIGHT: usize = 24;
const INCOME: usize = 41;

/// Which columns are features.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Protocol {
    /// The study's 499 columns. The default.
    #[default]
    Study,
    /// As in the MMoE and PLE papers: without education, and without instance weight, which UCI says to ignore.
    /// (Marital status is in neither: it is the label.)
    Paper,
}

/// How categories are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// A column of 0 and 1 for each, no header, `columns.txt` beside. The default.
    #[default]
    OneHot,
    /// As text, a column a field, with a header.
    Categories,
}

/// Knows the columns and their categories.
pub(super) struct Encoder {
    numeric: Vec<usize>,
    one_hot: Vec<OneHot>,
    form: Form,
    /// The one-hot columns of a row without any category: `,0,0,…,0` and a line end.
    template: Vec<u8>,
}

struct OneHot {
    field: usize,
    /// Position of each category among the one-hot columns of all fields; 0 until learning is over.
    categories: BTreeMap<Vec<u8>, usize>,
}

/// What a row holds, for the summary.
pub(super) struct Encoded {
    pub completion: bool,
    pub like: bool,
    pub non_zeros: u64,
}

impl Encoder {
    pub fn new(protocol: Protocol, form: Form) -> Self {
        let paper = protocol == Protocol::Paper;
        let numeric = NUMERIC.into_iter().filter(|&field| !(paper && field == INSTANCE_WEIGHT));
        let labels = [MARITAL, INCOME];
        let one_hot = (0..FIELDS)
            .filter(|field| !NUMERIC.contains(field) && !labels.contains(field))
            .filter(|&field| !(paper && field == EDUCATION))
            .map(|field| OneHot { field, categories: BTreeMap::new() });
        Encoder { numeric: numeric.collect(), one_hot: one_hot.collect(), form, template: Vec::new() }
    }

    /// Notes the record's categories.
    pub fn learn(&mut self, record: &Record<'_>) -> Result<()> {
        for OneHot { field, categories } in &mut self.one_hot {
            let value = record.field(*field);
            if !categories.contains_key(value) {
                categories.insert(value.to_vec(), 0);
            }
        }
        Ok(())
    }

    /// Gives every category its column.
    pub fn finish_learning(&mut self) {
        let mut next = 0;
        for one_hot in &mut self.one_hot {
            for value in one_hot.sorted() {
                one_hot.categories.insert(value, next);
                next += 1;
            }
        }
        self.template = b",0".repeat(next);
        self.template.push(b'\n');
    }

    /// Names of all columns, labels first; a one-hot column is `field=category`.
    pub fn column_names(&self) -> Vec<String> {
        let mut names = vec!["completion".to_owned(), "like".to_owned()];
        names.extend(self.numeric.iter().map(|&field| NAMES[field].to_owned()));
        if self.form == Form::Categories {
            names.extend(self.one_hot.iter().map(|one_hot| NAMES[one_hot.field].to_owned()));
            return names;
        }
        for one_hot in &self.one_hot {
            let name = |value: &Vec<u8>| {
                format!("{}={}", NAMES[one_hot.field], String::from_utf8_lossy(value).trim())
            };
            names.extend(one_hot.sorted().iter().map(name));
        }
        names
    }

    /// Puts the row of `record` into `line`, numbers with the very text of the raw file.
    pub fn encode(&self, record: &Record<'_>, line: &mut Vec<u8>) -> Result<Encoded> {
        let completion = record.field(MARITAL) == b"Never married";
        let like = match record.field(INCOME) {
            b"50000+." => true,
            b"- 50000." => false,
            _ => return Err(record.unexpected(INCOME, "50000+. or - 50000.")),
        };
        let mut non_zeros = 0;
        line.clear();
        line.extend_from_slice(&[b'0' + u8::from(completion), b',', b'0' + u8::from(like)]);
        for &field in &self.numeric {
            let text = record.field(field);
            let number = std::str::from_utf8(text).ok().and_then(|text| text.parse::<f64>().ok());
            let number = number.filter(|x| x.is_finite());
            let number = number.ok_or_else(|| record.unexpected(field, "a number"))?;
            non_zeros += u64::from(number != 0.0);
            line.push(b',');
            line.extend_from_slice(text);
        }
        if self.form == Form::Categories {
            for OneHot { field, .. } in &self.one_hot {
                line.push(b',');
                line.extend_from_slice(record.field(*field));
            }
            line.push(b'\n');
            return Ok(Encoded { completion, like, non_zeros: non_zeros + self.one_hot.len() as u64 });
        }
        let start = line.len();
        line.extend_from_slice(&self.template);
        for OneHot { field, categories } in &self.one_hot {
            // The test file has a category that the training file lacks: all its columns stay 0.
            if let Some(&column) = categories.get(record.field(*field)) {
                line[start + 2 * column + 1] = b'1';
                non_zeros += 1;
            }
        }
        Ok(Encoded { completion, like, non_zeros })
    }
}

impl OneHot {
    fn sorted(&self) -> Vec<Vec<u8>> {
        let mut values: Vec<Vec<u8>> = self.categories.keys().cloned().collect();
        if CODES.contains(&self.field) {
            let number = |value: &Vec<u8>| String::from_utf8_lossy(value).parse::<u64>().unwrap_or(u64::MAX);
            values.sort_by_key(number);
        }
        values
    }
}
