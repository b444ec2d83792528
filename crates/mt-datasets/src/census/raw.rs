//! The raw files of the census data set: comma and blank between fields, no header, `?` where nothing is known.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Error, Result};

/// Fields of a raw record.
pub(super) const FIELDS: usize = 42;

/// The columns by the names the study uses, in file order.
pub(super) const NAMES: [&str; FIELDS] = [
    "age",
    "class_worker",
    "det_ind_code",
    "det_occ_code",
    "education",
    "wage_per_hour",
    "hs_college",
    "marital_stat",
    "major_ind_code",
    "major_occ_code",
    "race",
    "hisp_origin",
    "sex",
    "union_member",
    "unemp_reason",
    "full_or_part_emp",
    "capital_gains",
    "capital_losses",
    "stock_dividends",
    "tax_filer_stat",
    "region_prev_res",
    "state_prev_res",
    "det_hh_fam_stat",
    "det_hh_summ",
    "instance_weight",
    "mig_chg_msa",
    "mig_chg_reg",
    "mig_move_reg",
    "mig_same",
    "mig_prev_sunbelt",
    "num_emp",
    "fam_under_18",
    "country_father",
    "country_mother",
    "country_self",
    "citizenship",
    "own_or_self",
    "vet_question",
    "vet_benefits",
    "weeks_worked",
    "year",
    "income_50k",
];

/// One record: its fields without the blank before them, and where it is.
pub(super) struct Record<'a> {
    pub fields: &'a csv::ByteRecord,
    pub line: u64,
    pub record: u64,
    pub path: &'a Path,
}

impl Record<'_> {
    /// A field's bytes, without the blank that follows the comma.
    pub fn field(&self, i: usize) -> &[u8] {
        let field = self.fields.get(i).unwrap_or_default();
        field.strip_prefix(b" ").unwrap_or(field)
    }

    /// That a field is not what it must be.
    pub fn unexpected(&self, i: usize, expected: &str) -> Error {
        // Every field before this one and its comma.
        let before: usize = (0..i).map(|i| self.fields.get(i).map_or(0, <[u8]>::len) + 1).sum();
        let blank = self.fields.get(i).map_or(0, |f| f.len()) - self.field(i).len();
        let (name, found) = (NAMES[i], String::from_utf8_lossy(self.field(i)));
        let problem = format!("field \"{name}\": expected {expected}, found {found:?}");
        self.error((before + blank + 1) as u64, problem)
    }

    fn error(&self, column: u64, problem: String) -> Error {
        let (path, line, record) = (self.path.to_owned(), self.line, self.record);
        Error::Record { path, line, column, record, problem }
    }
}

/// A raw file, compressed or not.
pub(super) struct Raw {
    path: PathBuf,
}

impl Raw {
    /// `name` in `folder`, or `name.gz`.
    pub fn find(folder: &Path, name: &str) -> Result<Self> {
        let plain = folder.join(name);
        let compressed = folder.join(format!("{name}.gz"));
        let path = if plain.exists() || !compressed.exists() { plain } else { compressed };
        Ok(Raw { path })
    }

    pub fn bytes(&self) -> Result<u64> {
        let metadata = self.path.metadata();
        metadata.map(|m| m.len()).map_err(|source| Error::Read { path: self.path.clone(), source })
    }

    /// Calls `f` with every record, and `progress` now and then with the bytes read.
    pub fn for_each(
        &self,
        progress: &dyn Fn(u64),
        mut f: impl FnMut(&Record<'_>) -> Result<()>,
    ) -> Result<()> {
        let read = |source| Error::Read { path: self.path.clone(), source };
        let bytes = Arc::new(AtomicU64::new(0));
        let counted = Counted { file: File::open(&self.path).map_err(read)?, bytes: bytes.clone() };
        let text: Box<dyn Read> = match self.path.extension().is_some_and(|e| e == "gz") {
            true => Box::new(flate2::bufread::MultiGzDecoder::new(BufReader::new(counted))),
            false => Box::new(counted),
        };
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .quoting(false)
            .buffer_capacity(1 << 20)
            .from_reader(text);
        let mut fields = csv::ByteRecord::new();
        let mut record = 0;
        while reader.read_byte_record(&mut fields).map_err(|error| read(error.into()))? {
            record += 1;
            let line = fields.position().map_or(record, csv::Position::line);
            let row = Record { fields: &fields, line, record, path: &self.path };
            if fields.len() != FIELDS {
                let problem = format!("expected {FIELDS} fields, found {}", fields.len());
                return Err(row.error(1, problem));
            }
            f(&row)?;
            if record.is_multiple_of(8192) {
                progress(bytes.load(Ordering::Relaxed));
            }
        }
        Ok(())
    }
}

/// Counts the bytes that go through.
struct Counted {
    file: File,
    bytes: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let n = self.file.read(buffer)?;
        self.bytes.fetch_add(n as u64, Ordering::Relaxed);
        Ok(n)
    }
}
