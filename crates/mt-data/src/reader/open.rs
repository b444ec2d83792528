//! Opening files to read.

use mt_features::{Fit, Normalize, Normalizer, Schema, TaskConfig, fields::Encoders};

use super::request::Request;
use super::stream::Stream;
use super::{Coding, Labels, TableReader};
use crate::config::{CsvConfig, DataConfig, Paths};
use crate::error::Result;

impl TableReader {
    /// Opens files for a model that exists and has no fields: columns are those of `schema`, values are normalised.
    ///
    /// With a header, columns are found by name, in any order, and others are ignored. Without one, the width
    /// must be that of the training files, or, unless labels are [`Labels::Required`], that less the label columns.
    ///
    /// # Errors
    /// Whatever is wrong with the configuration or the first file's header.
    pub fn open(
        paths: &Paths,
        csv: &CsvConfig,
        schema: &Schema,
        tasks: &[TaskConfig],
        normalizer: &Normalizer,
        labels: Labels,
    ) -> Result<Self> {
        let data = DataConfig::files(csv.clone());
        Self::open_encoded(paths, &data, schema, tasks, normalizer, &Encoders::default(), labels)
    }

    /// As [`open`](Self::open), for a model with fields: those become rows of the tables of `encoders`, and `data`
    /// says what side tables, weights and groups there are.
    ///
    /// # Errors
    /// As [`open`](Self::open), and [`NoEncoder`](mt_features::Error::NoEncoder) for encoders of another model.
    pub fn open_encoded(
        paths: &Paths,
        data: &DataConfig,
        schema: &Schema,
        tasks: &[TaskConfig],
        normalizer: &Normalizer,
        encoders: &Encoders,
        labels: Labels,
    ) -> Result<Self> {
        let bases = normalizer.bases(&schema.numeric).map(|(name, base)| (name.to_owned(), base));
        let request = Request::new(data, tasks, labels, false)?.less(bases);
        let reader = Self::new(paths, request, Some(schema), Coding::Fitted(encoders), Self::block(data))?;
        Ok(reader.normalized(normalizer))
    }

    /// As [`open`](Self::open), with values as they are.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_raw(
        paths: &Paths,
        csv: &CsvConfig,
        schema: &Schema,
        tasks: &[TaskConfig],
        labels: Labels,
    ) -> Result<Self> {
        let data = DataConfig::files(csv.clone());
        let request = Request::new(&data, tasks, labels, false)?;
        let coding = Coding::Fitted(&Encoders::default());
        Self::new(paths, request, Some(schema), coding, Self::block(&data))
    }

    /// Opens files for validation and test: encoded, and with numbers less `bases`, one a numeric column.
    pub(crate) fn open_fitted(
        paths: &Paths,
        data: &DataConfig,
        schema: &Schema,
        tasks: &[TaskConfig],
        encoders: &Encoders,
        bases: &[f64],
    ) -> Result<Self> {
        let bases =
            schema.numeric.iter().cloned().zip(bases.iter().copied()).filter(|(_, base)| *base != 0.0);
        let request = Request::new(data, tasks, Labels::Required, false)?.less(bases);
        Self::new(paths, request, Some(schema), Coding::Fitted(encoders), Self::block(data))
    }

    /// Opens training files: the first one decides on the schema, values stay as they are.
    ///
    /// # Errors
    /// Whatever is wrong with the configuration or the first file's header.
    pub fn open_training(paths: &Paths, csv: &CsvConfig, tasks: &[TaskConfig]) -> Result<Self> {
        Self::open_data(paths, &DataConfig::files(csv.clone()), tasks)
    }

    /// As [`open_training`](Self::open_training), with everything that `data` asks for.
    ///
    /// Tables of fields have not been fitted: instead of the rows of a vocabulary or of buckets, fields hold numbers from 2 in
    /// order of appearance, side tables first.
    /// [`Dataset::load`](crate::Dataset::load) fits them.
    ///
    /// # Errors
    /// As [`open_training`](Self::open_training).
    pub fn open_data(paths: &Paths, data: &DataConfig, tasks: &[TaskConfig]) -> Result<Self> {
        Self::open_blocks(paths, data, tasks, Self::block(data))
    }

    /// As [`open_data`](Self::open_data), for what `fit` says of columns.
    pub(crate) fn open_fit(
        paths: &Paths,
        data: &DataConfig,
        tasks: &[TaskConfig],
        fit: Fit<'_>,
    ) -> Result<Self> {
        let known = match fit {
            Fit::Anew => None,
            Fit::As(fitted) | Fit::Keep(fitted) => Some(fitted),
        };
        let kept = |name: &str| !matches!(fit, Fit::Keep(fitted) if fitted.scaling(name).is_none());
        let bases = known.iter().flat_map(|fitted| fitted.normalizer.bases(&fitted.schema.numeric));
        let bases = bases.filter(|(name, _)| kept(name));
        let bases: Vec<(String, f64)> = bases.map(|(name, base)| (name.to_owned(), base)).collect();
        let request = Request::new(data, tasks, Labels::Required, true)?.less(bases);
        let (schema, decides) = match fit {
            Fit::As(fitted) => (Some(fitted.schema), false),
            // Logarithms are of numbers as they are, and who normalises nothing wants these.
            _ => (None, matches!(data.normalize, Normalize::Standard | Normalize::MinMax)),
        };
        let reader = Self::new(paths, request, schema, Coding::Unfitted, Self::block(data))?;
        Ok(if decides { reader.less_bases() } else { reader })
    }

    /// As [`open_data`](Self::open_data), with blocks of about `block` bytes. Results do not depend on it.
    ///
    /// # Errors
    /// As [`open_training`](Self::open_training).
    pub fn open_blocks(paths: &Paths, data: &DataConfig, tasks: &[TaskConfig], block: usize) -> Result<Self> {
        let request = Request::new(data, tasks, Labels::Required, true)?;
        Self::new(paths, request, None, Coding::Unfitted, block.max(1))
    }

    fn new(
        paths: &Paths,
        request: Request,
        schema: Option<&Schema>,
        coding: Coding<'_>,
        block: usize,
    ) -> Result<Self> {
        mt_features::tasks(&request.tasks)?;
        let storage = request.data.storage.clone();
        let files = storage.expand(paths)?;
        let sizes = files.iter().map(|path| Ok(storage.size(path)?.unwrap_or_default()));
        let bytes_total = sizes.sum::<Result<u64>>()?;
        let bad = request.csv.on_bad_record;
        let (stream, interned) = Stream::new(files, request, schema, coding, block)?;
        Ok(Self::of(stream, interned, bad, bytes_total))
    }
}
