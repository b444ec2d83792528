//! Opening files to read.

use mt_features::{Normalizer, Schema, TaskConfig, fields::Encoders};

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
    /// As [`open`](Self::open), and [`Error::NoEncoder`](crate::Error::NoEncoder) for encoders of another model.
    pub fn open_encoded(
        paths: &Paths,
        data: &DataConfig,
        schema: &Schema,
        tasks: &[TaskConfig],
        normalizer: &Normalizer,
        encoders: &Encoders,
        labels: Labels,
    ) -> Result<Self> {
        let request = Request::new(data, tasks, labels, false)?;
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
        Self::open_fitted(paths, &DataConfig::files(csv.clone()), schema, tasks, &Encoders::default(), labels)
    }

    /// As [`open_encoded`](Self::open_encoded), with numbers as they are.
    pub(crate) fn open_fitted(
        paths: &Paths,
        data: &DataConfig,
        schema: &Schema,
        tasks: &[TaskConfig],
        encoders: &Encoders,
        labels: Labels,
    ) -> Result<Self> {
        let request = Request::new(data, tasks, labels, false)?;
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
    /// Tables of fields have not been fitted: instead of the rows of a vocabulary, fields hold numbers from 2 in order
    /// of appearance, side tables first, and instead of those of buckets the bits of an `f32`.
    /// [`Dataset::load`](crate::Dataset::load) fits them.
    ///
    /// # Errors
    /// As [`open_training`](Self::open_training).
    pub fn open_data(paths: &Paths, data: &DataConfig, tasks: &[TaskConfig]) -> Result<Self> {
        Self::open_blocks(paths, data, tasks, Self::block(data))
    }

    /// As [`open_data`](Self::open_data), with blocks of about `block` bytes. Results do not depend on it.
    ///
    /// # Errors
    /// As [`open_training`](Self::open_training).
    pub fn open_blocks(paths: &Paths, data: &DataConfig, tasks: &[TaskConfig], block: usize) -> Result<Self> {
        let request = Request::new(data, tasks, Labels::Required, true)?;
        Self::new(paths, request, None, Coding::Unfitted, block.max(1))
    }

    /// As [`open_data`](Self::open_data), for a model that exists: columns are those of `schema`.
    pub(crate) fn open_again(
        paths: &Paths,
        data: &DataConfig,
        schema: &Schema,
        tasks: &[TaskConfig],
    ) -> Result<Self> {
        let request = Request::new(data, tasks, Labels::Required, true)?;
        Self::new(paths, request, Some(schema), Coding::Unfitted, Self::block(data))
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
