//! Rows of a caller's own: in memory, from a database, out of files that nothing here reads.

use std::fmt;
use std::io;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;

/// Rows of a part, in order.
pub type RecordBatches = Box<dyn Iterator<Item = io::Result<RecordBatch>> + Send>;

/// Where rows come from that lie in no file.
///
/// A source stands behind a URL of its owner's choice ([`Storage::with_source`](crate::Storage::with_source)), which
/// configurations name as they name files: `rows://log` is all its parts, `rows://log/monday` is one. So whatever takes files
/// takes it: training, a run that goes on, evaluation, prediction. Columns have Arrow's types, and mean what those of a Parquet
/// file with these types mean. `docs/examples/external` trains on one, goes on and exports.
///
/// ```
/// use std::io;
/// use std::sync::Arc;
///
/// use mt_storage::arrow_array::{Float32Array, Int64Array, RecordBatch};
/// use mt_storage::arrow_schema::{DataType, Field, Schema, SchemaRef};
/// use mt_storage::{Part, RecordBatches, Source, Storage};
///
/// /// Some numbers and whether they are odd.
/// #[derive(Debug)]
/// struct Odd(Vec<i64>);
///
/// impl Source for Odd {
///     fn schema(&self) -> io::Result<SchemaRef> {
///         let number = Field::new("number", DataType::Float32, false);
///         Ok(Arc::new(Schema::new(vec![number, Field::new("odd", DataType::Int64, false)])))
///     }
///     fn parts(&self) -> io::Result<Vec<Part>> {
///         Ok(vec![Part::new("all")])
///     }
///     fn read(&self, _: &Part, columns: &[usize]) -> io::Result<RecordBatches> {
///         let numbers = Float32Array::from_iter_values(self.0.iter().map(|&x| x as f32));
///         let odd = Int64Array::from_iter_values(self.0.iter().map(|x| x % 2));
///         let batch = RecordBatch::try_new(self.schema()?, vec![Arc::new(numbers), Arc::new(odd)]);
///         let chosen = batch.and_then(|batch| batch.project(columns)).map_err(io::Error::other);
///         Ok(Box::new(std::iter::once(chosen)))
///     }
/// }
///
/// let storage = Storage::default().with_source("rows://odd", Arc::new(Odd((0..100).collect())));
/// assert_eq!(storage.expand(&"rows://odd".into())?, [std::path::Path::new("rows://odd/all")]);
/// # Ok::<(), mt_storage::Error>(())
/// ```
pub trait Source: fmt::Debug + Send + Sync {
    /// The columns, in order.
    ///
    /// # Errors
    /// What the source says. The part is added to it, here and below.
    fn schema(&self) -> io::Result<SchemaRef>;

    /// The parts, in the order of their rows: the same ones with the same rows each time, as a run that goes on expects.
    ///
    /// # Errors
    /// What the source says.
    fn parts(&self) -> io::Result<Vec<Part>>;

    /// The rows of a part: of each, the columns with these positions in the schema, in this order.
    ///
    /// # Errors
    /// What the source says.
    fn read(&self, part: &Part, columns: &[usize]) -> io::Result<RecordBatches>;
}

/// A share of a source's rows, read one after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Part {
    /// Unique within its source; messages name it as `rows://log/NAME`.
    pub name: String,
    /// About how many bytes its rows are, by which reading is said to go on; 0 where that is not known.
    pub bytes: u64,
}

impl Part {
    /// A part of a size that is not known.
    pub fn new(name: impl Into<String>) -> Self {
        Part { name: name.into(), bytes: 0 }
    }
}
