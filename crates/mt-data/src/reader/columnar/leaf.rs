//! The stored values of one leaf of a schema, copied from file to file as they are.

use ::parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use ::parquet::data_type::{
    AsBytes, BoolType, ByteArray, ByteArrayType, DataType, DoubleType, FixedLenByteArrayType, FloatType,
    Int32Type, Int64Type, Int96Type,
};
use ::parquet::errors::{ParquetError, Result};
use ::parquet::file::writer::SerializedColumnWriter;

/// The values of a leaf, and how they spread over rows.
#[derive(Debug)]
pub(crate) struct Leaf {
    stored: Stored,
    /// Empty where every row has a value.
    definitions: Vec<i16>,
    /// Empty where rows have no lists.
    repetitions: Vec<i16>,
}

/// Says the same of every type that a file can hold.
macro_rules! stored {
    ($($kind:ident $reader:ident $of:ident,)*) => {
        #[derive(Debug)]
        enum Stored {
            $($kind(Vec<<$of as DataType>::T>),)*
        }

        impl Leaf {
            /// The values of the next `rows` rows.
            pub fn read(reader: &mut ColumnReader, rows: usize) -> Result<Self> {
                let (mut definitions, mut repetitions) = (Vec::new(), Vec::new());
                let stored = match reader {
                    $(ColumnReader::$reader(reader) => {
                        Stored::$kind(take(reader, rows, &mut definitions, &mut repetitions)?)
                    })*
                };
                Ok(Leaf { stored, definitions, repetitions })
            }

            /// Adds the values of more rows of the same leaf.
            pub fn append(&mut self, more: Leaf) {
                self.definitions.extend(more.definitions);
                self.repetitions.extend(more.repetitions);
                match (&mut self.stored, more.stored) {
                    $((Stored::$kind(all), Stored::$kind(more)) => all.extend(more),)*
                    _ => unreachable!("a leaf has one type in all files, which is checked where they are opened"),
                }
            }

            /// About how many bytes it takes, rather too many.
            pub fn bytes(&self) -> usize {
                let values = match &self.stored {
                    $(Stored::$kind(values) => {
                        // A text is outside of its value.
                        let outside: usize = values.iter().map(|value| value.as_bytes().len()).sum();
                        size_of_val(&values[..]) + outside
                    })*
                };
                values + 2 * (self.definitions.len() + self.repetitions.len())
            }

            /// Writes all of it as a column of a row group.
            pub fn write(&self, writer: &mut SerializedColumnWriter<'_>) -> Result<()> {
                let definitions = (!self.definitions.is_empty()).then_some(&self.definitions[..]);
                let repetitions = (!self.repetitions.is_empty()).then_some(&self.repetitions[..]);
                match &self.stored {
                    $(Stored::$kind(values) => {
                        let writer = writer.typed::<$of>();
                        writer.write_batch(values, definitions, repetitions)?;
                    })*
                }
                Ok(())
            }
        }
    };
}

stored! {
    Bool BoolColumnReader BoolType,
    Int32 Int32ColumnReader Int32Type,
    Int64 Int64ColumnReader Int64Type,
    Int96 Int96ColumnReader Int96Type,
    Float FloatColumnReader FloatType,
    Double DoubleColumnReader DoubleType,
    Bytes ByteArrayColumnReader ByteArrayType,
    Fixed FixedLenByteArrayColumnReader FixedLenByteArrayType,
}

/// The values of the next `rows` rows.
pub(super) fn take<T: DataType>(
    reader: &mut ColumnReaderImpl<T>,
    rows: usize,
    definitions: &mut Vec<i16>,
    repetitions: &mut Vec<i16>,
) -> Result<Vec<T::T>> {
    let mut values = Vec::new();
    let (read, _, _) = reader.read_records(rows, Some(definitions), Some(repetitions), &mut values)?;
    if read != rows {
        return Err(ParquetError::EOF(format!("a column ends {} rows early", rows - read)));
    }
    Ok(values)
}

impl Leaf {
    /// Texts, missing where they are empty.
    pub fn texts<'a>(texts: impl Iterator<Item = &'a [u8]>) -> Self {
        let (mut all, mut ends, mut definitions) = (Vec::new(), Vec::new(), Vec::new());
        for text in texts {
            definitions.push(i16::from(!text.is_empty()));
            if !text.is_empty() {
                all.extend_from_slice(text);
                ends.push(all.len());
            }
        }
        let all = ByteArray::from(all);
        let starts = [0].into_iter().chain(ends.iter().copied());
        let stored = starts.zip(&ends).map(|(start, &end)| all.slice(start, end - start)).collect();
        Leaf { stored: Stored::Bytes(stored), definitions, repetitions: Vec::new() }
    }

    /// Numbers, missing where they are NaN.
    pub fn numbers(numbers: impl Iterator<Item = f32> + Clone) -> Self {
        let definitions = numbers.clone().map(|x| i16::from(!x.is_nan())).collect();
        let stored = Stored::Float(numbers.filter(|x| !x.is_nan()).collect());
        Leaf { stored, definitions, repetitions: Vec::new() }
    }
}
