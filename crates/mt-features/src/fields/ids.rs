//! The rows of an embedding table that a field reads, for many records.

use std::ops::Range;
use std::sync::Arc;

use crate::error::{Error, Result};

/// Table rows of one field.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ids {
    /// `None`: exactly one row a record. Otherwise `records + 1` positions in `rows`, from 0: record `i` has
    /// `rows[offsets[i]..offsets[i + 1]]`, possibly none.
    pub offsets: Option<Vec<u32>>,
    /// Rows of the table, all records' one after the other.
    pub rows: Vec<u32>,
    /// Of a table that grows: `rows` from 2 on are not rows but `2 + i` for the key `keys[i]`. A key may be there twice.
    pub keys: Option<Arc<Vec<u64>>>,
}

impl Ids {
    /// No records yet, of one row each.
    pub const fn single() -> Self {
        Ids { offsets: None, rows: Vec::new(), keys: None }
    }

    /// No records yet, of any number of rows each.
    pub fn list() -> Self {
        Ids { offsets: Some(vec![0]), rows: Vec::new(), keys: None }
    }

    /// Number of records.
    pub fn len(&self) -> usize {
        self.offsets.as_ref().map_or(self.rows.len(), |offsets| offsets.len().saturating_sub(1))
    }

    /// Whether there are no records.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The rows of one record.
    ///
    /// # Panics
    /// Where `record` is not below [`len`](Self::len).
    pub fn of(&self, record: usize) -> &[u32] {
        match &self.offsets {
            None => &self.rows[record..=record],
            Some(offsets) => &self.rows[offsets[record] as usize..offsets[record + 1] as usize],
        }
    }

    /// Checks that positions ascend and end where the rows do.
    pub(crate) fn check(&self) -> Result<()> {
        let Some(offsets) = &self.offsets else { return Ok(()) };
        let end = if offsets.first() == Some(&0) && offsets.is_sorted() { offsets.last() } else { None };
        match end.map(|&end| end as usize) {
            Some(end) if end == self.rows.len() => Ok(()),
            end => Err(Error::Shape {
                what: "rows of a field",
                expected: end.unwrap_or(usize::MAX),
                found: self.rows.len(),
            }),
        }
    }

    /// Adds a record.
    pub fn push(&mut self, rows: &[u32]) {
        self.rows.extend_from_slice(rows);
        self.end_record();
    }

    /// Adds a record with the rows of another one.
    pub fn repeat(&mut self, record: usize) {
        let rows = match &self.offsets {
            None => record..record + 1,
            Some(offsets) => offsets[record] as usize..offsets[record + 1] as usize,
        };
        self.rows.extend_from_within(rows);
        self.end_record();
    }

    /// Ends a record whose rows have been pushed one by one.
    pub(crate) fn end_record(&mut self) {
        if let Some(offsets) = &mut self.offsets {
            offsets.push(self.rows.len() as u32);
        }
    }

    /// Keeps the first `records`.
    pub fn truncate(&mut self, records: usize) {
        match &mut self.offsets {
            None => self.rows.truncate(records),
            Some(offsets) => {
                offsets.truncate(records + 1);
                self.rows.truncate(offsets[records] as usize);
            }
        }
    }

    /// Puts the records `records` in the place of those of `to`.
    pub(crate) fn gather_into(&self, records: &[u32], to: &mut Ids) {
        to.rows.clear();
        to.keys.clone_from(&self.keys);
        match &self.offsets {
            None => {
                to.offsets = None;
                to.rows.extend(records.iter().map(|&record| self.rows[record as usize]));
            }
            Some(_) => {
                let offsets = to.offsets.get_or_insert_default();
                offsets.clear();
                offsets.push(0);
                for &record in records {
                    to.rows.extend_from_slice(self.of(record as usize));
                    offsets.push(to.rows.len() as u32);
                }
            }
        }
    }

    /// A copy of some records.
    pub(crate) fn slice(&self, records: Range<usize>) -> Ids {
        match &self.offsets {
            None => Ids { offsets: None, rows: self.rows[records].to_vec(), keys: self.keys.clone() },
            Some(offsets) => {
                let offsets = &offsets[records.start..=records.end];
                let (first, last) = (offsets[0], offsets[records.len()]);
                Ids {
                    offsets: Some(offsets.iter().map(|offset| offset - first).collect()),
                    rows: self.rows[first as usize..last as usize].to_vec(),
                    keys: self.keys.clone(),
                }
            }
        }
    }

    /// Adds the records of `other`, of the same kind.
    pub fn append(&mut self, other: &Ids) -> Result<()> {
        let base = self.rows.len();
        u32::try_from(base + other.rows.len()).map_err(|_| Error::TooLarge)?;
        match (&mut self.offsets, &other.offsets) {
            (None, None) => {}
            (Some(to), Some(from)) => to.extend(from[1..].iter().map(|offset| offset + base as u32)),
            (to, _) => {
                let expected = usize::from(to.is_some());
                return Err(Error::Shape { what: "positions of a field", expected, found: 1 - expected });
            }
        }
        let rows = self.join_keys(other);
        self.rows.extend_from_slice(&rows);
        Ok(())
    }

    /// Keeps only the records `keep`, ascending, in place.
    pub fn retain(&mut self, keep: &[u32]) {
        let Ids { offsets, rows, .. } = self;
        let Some(offsets) = offsets else {
            keep.iter().enumerate().for_each(|(to, &from)| rows[to] = rows[from as usize]);
            rows.truncate(keep.len());
            return;
        };
        let mut end = 0;
        for (to, &from) in keep.iter().enumerate() {
            let span = offsets[from as usize] as usize..offsets[from as usize + 1] as usize;
            let start = end;
            end += span.len();
            rows.copy_within(span, start);
            // `to <= from`: only offsets that have been read are overwritten.
            offsets[to] = start as u32;
        }
        offsets.truncate(keep.len());
        offsets.push(end as u32);
        rows.truncate(end);
    }

    /// Makes room for about `factor` times the records there are.
    pub(crate) fn reserve(&mut self, factor: f64) {
        grow(&mut self.rows, factor);
        self.offsets.iter_mut().for_each(|offsets| grow(offsets, factor));
    }

    /// Gives back what memory is not used.
    pub(crate) fn shrink(&mut self) {
        self.rows.shrink_to_fit();
        self.offsets.iter_mut().for_each(Vec::shrink_to_fit);
    }

    /// Bytes they take.
    pub(crate) fn memory_bytes(&self) -> usize {
        let keys = self.keys.as_ref().map_or(0, |keys| keys.capacity());
        4 * (self.rows.capacity() + self.offsets.as_ref().map_or(0, Vec::capacity)) + 8 * keys
    }
}

/// Makes room in a column for about `factor` times what it holds.
pub(crate) fn grow<T>(column: &mut Vec<T>, factor: f64) {
    column.reserve_exact((column.len() as f64 * (factor - 1.0).max(0.0)) as usize);
}
