//! For tests, behind the feature `testing`: folders of files, small Parquet files, and text files turned into Parquet files.
#![allow(missing_docs, clippy::missing_panics_doc)]

use std::path::Path;
use std::sync::Arc;

use ::parquet::basic::Compression;
use ::parquet::data_type::{
    BoolType, ByteArray, ByteArrayType, DataType, DoubleType, FloatType, Int32Type, Int64Type,
};
use ::parquet::file::properties::{WriterProperties, WriterVersion};
use ::parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use ::parquet::schema::parser::parse_message_type;

/// A column; `None` is null.
#[derive(Debug, Clone)]
pub enum Column {
    Bools(Vec<Option<bool>>),
    Ints(Vec<Option<i32>>),
    UnsignedInts(Vec<Option<u32>>),
    Longs(Vec<Option<i64>>),
    UnsignedLongs(Vec<Option<u64>>),
    Floats(Vec<Option<f32>>),
    Doubles(Vec<Option<f64>>),
    Texts(Vec<Option<String>>),
    LongLists(Vec<Option<Vec<Option<i64>>>>),
    TextLists(Vec<Option<Vec<Option<String>>>>),
    /// A `required` column.
    Whole(Vec<i64>),
}

/// How a file is written.
#[derive(Debug, Clone, Copy)]
pub struct Form {
    /// Rows of a row group.
    pub group: usize,
    pub dictionary: bool,
    pub compression: Compression,
    pub version: WriterVersion,
    /// Values of a page.
    pub page: usize,
}

impl Default for Form {
    fn default() -> Self {
        Form {
            group: 1 << 20,
            dictionary: true,
            compression: Compression::SNAPPY,
            version: WriterVersion::PARQUET_1_0,
            page: 20_000,
        }
    }
}

impl Column {
    pub fn rows(&self) -> usize {
        match self {
            Column::Bools(values) => values.len(),
            Column::Ints(values) => values.len(),
            Column::UnsignedInts(values) => values.len(),
            Column::Longs(values) => values.len(),
            Column::UnsignedLongs(values) => values.len(),
            Column::Floats(values) => values.len(),
            Column::Doubles(values) => values.len(),
            Column::Texts(values) => values.len(),
            Column::LongLists(values) => values.len(),
            Column::TextLists(values) => values.len(),
            Column::Whole(values) => values.len(),
        }
    }

    fn schema(&self, name: &str) -> String {
        let list = |element: &str| {
            format!("optional group {name} (LIST) {{ repeated group list {{ optional {element}; }} }}")
        };
        match self {
            Column::Bools(_) => format!("optional boolean {name};"),
            Column::Ints(_) => format!("optional int32 {name};"),
            Column::UnsignedInts(_) => format!("optional int32 {name} (INTEGER(32,false));"),
            Column::Longs(_) => format!("optional int64 {name};"),
            Column::UnsignedLongs(_) => format!("optional int64 {name} (INTEGER(64,false));"),
            Column::Floats(_) => format!("optional float {name};"),
            Column::Doubles(_) => format!("optional double {name};"),
            Column::Texts(_) => format!("optional binary {name} (UTF8);"),
            Column::LongLists(_) => list("int64 element"),
            Column::TextLists(_) => list("binary element (UTF8)"),
            Column::Whole(_) => format!("required int64 {name};"),
        }
    }

    fn write(&self, at: std::ops::Range<usize>, group: &mut SerializedRowGroupWriter<'_, std::fs::File>) {
        let text = |text: &String| ByteArray::from(text.as_str());
        match self {
            Column::Bools(values) => flat::<BoolType, _>(group, &values[at], |x| *x),
            Column::Ints(values) => flat::<Int32Type, _>(group, &values[at], |x| *x),
            Column::UnsignedInts(values) => flat::<Int32Type, _>(group, &values[at], |x| *x as i32),
            Column::Longs(values) => flat::<Int64Type, _>(group, &values[at], |x| *x),
            Column::UnsignedLongs(values) => flat::<Int64Type, _>(group, &values[at], |x| *x as i64),
            Column::Floats(values) => flat::<FloatType, _>(group, &values[at], |x| *x),
            Column::Doubles(values) => flat::<DoubleType, _>(group, &values[at], |x| *x),
            Column::Texts(values) => flat::<ByteArrayType, _>(group, &values[at], text),
            Column::LongLists(values) => lists::<Int64Type, _>(group, &values[at], |x| *x),
            Column::TextLists(values) => lists::<ByteArrayType, _>(group, &values[at], text),
            Column::Whole(values) => put::<Int64Type>(group, &values[at], None, None),
        }
    }
}

fn put<T: DataType>(
    group: &mut SerializedRowGroupWriter<'_, std::fs::File>,
    values: &[T::T],
    definitions: Option<&[i16]>,
    repetitions: Option<&[i16]>,
) {
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<T>().write_batch(values, definitions, repetitions).unwrap();
    column.close().unwrap();
}

fn flat<T: DataType, U>(
    group: &mut SerializedRowGroupWriter<'_, std::fs::File>,
    cells: &[Option<U>],
    of: impl Fn(&U) -> T::T,
) {
    let values: Vec<T::T> = cells.iter().flatten().map(of).collect();
    let definitions: Vec<i16> = cells.iter().map(|cell| i16::from(cell.is_some())).collect();
    put::<T>(group, &values, Some(&definitions), None);
}

fn lists<T: DataType, U>(
    group: &mut SerializedRowGroupWriter<'_, std::fs::File>,
    cells: &[Option<Vec<Option<U>>>],
    of: impl Fn(&U) -> T::T,
) {
    let (mut values, mut definitions, mut repetitions) = (Vec::new(), Vec::new(), Vec::new());
    for cell in cells {
        let list = cell.as_deref().unwrap_or_default();
        if list.is_empty() {
            definitions.push(i16::from(cell.is_some()));
            repetitions.push(0);
        }
        for (i, value) in list.iter().enumerate() {
            definitions.push(if value.is_some() { 3 } else { 2 });
            repetitions.push(i16::from(i > 0));
            values.extend(value.iter().map(&of));
        }
    }
    put::<T>(group, &values, Some(&definitions), Some(&repetitions));
}

/// Writes the columns into a file.
pub fn write(path: impl AsRef<Path>, columns: &[(&str, Column)], form: Form) {
    let fields: Vec<String> = columns.iter().map(|(name, column)| column.schema(name)).collect();
    let schema = Arc::new(parse_message_type(&format!("message m {{ {} }}", fields.join(" "))).unwrap());
    let properties = WriterProperties::builder()
        .set_compression(form.compression)
        .set_dictionary_enabled(form.dictionary)
        .set_writer_version(form.version)
        .set_data_page_row_count_limit(form.page)
        .set_write_batch_size(form.page)
        .build();
    let file = std::fs::File::create(path).unwrap();
    let mut writer = SerializedFileWriter::new(file, schema, Arc::new(properties)).unwrap();
    let rows = columns.first().map_or(0, |(_, column)| column.rows());
    for start in (0..rows).step_by(form.group) {
        let mut group = writer.next_row_group().unwrap();
        for (_, column) in columns {
            column.write(start..rows.min(start + form.group), &mut group);
        }
        group.close().unwrap();
    }
    writer.close().unwrap();
}

/// The columns of a text file with a header: whole numbers and fractions where every cell is one in its usual form,
/// texts elsewhere; an empty cell is null.
pub fn columns(text: impl std::io::Read) -> Vec<(String, Column)> {
    let mut reader = csv::Reader::from_reader(text);
    let names: Vec<String> = reader.headers().unwrap().iter().map(str::to_owned).collect();
    let mut cells: Vec<Vec<Option<String>>> = vec![Vec::new(); names.len()];
    for record in reader.records() {
        for (cells, cell) in cells.iter_mut().zip(&record.unwrap()) {
            cells.push((!cell.is_empty()).then(|| cell.to_owned()));
        }
    }
    names.into_iter().zip(cells.into_iter().map(typed)).collect()
}

fn typed(cells: Vec<Option<String>>) -> Column {
    fn all<T: std::str::FromStr + ToString>(cells: &[Option<String>]) -> Option<Vec<Option<T>>> {
        let value = |cell: &Option<String>| match cell {
            None => Some(None),
            Some(text) => text.parse().ok().filter(|value: &T| value.to_string() == *text).map(Some),
        };
        cells.iter().map(value).collect()
    }
    if let Some(values) = all(&cells) {
        Column::Longs(values)
    } else if let Some(values) = all(&cells) {
        Column::Doubles(values)
    } else {
        Column::Texts(cells)
    }
}

/// Writes the content of a text file as a Parquet file.
pub fn convert(text: impl std::io::Read, path: impl AsRef<Path>, form: Form) {
    let columns = columns(text);
    let columns: Vec<(&str, Column)> =
        columns.iter().map(|(name, column)| (name.as_str(), column.clone())).collect();
    write(path, &columns, form);
}

/// A folder with files in it, gone when dropped.
#[derive(Debug)]
pub struct Files(pub tempfile::TempDir);

impl Default for Files {
    fn default() -> Self {
        Self::new()
    }
}

impl Files {
    pub fn new() -> Self {
        Files(tempfile::tempdir().expect("a folder"))
    }

    /// A folder with one file.
    pub fn with(name: &str, content: impl AsRef<[u8]>) -> Self {
        let files = Files::new();
        files.write(name, content);
        files
    }

    pub fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().expect("UTF-8").to_owned()
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        std::fs::write(self.path(name), content).expect("a file is written");
        self.path(name)
    }

    /// `error` with the folder left out, so that messages can be compared whole.
    pub fn message(&self, error: &impl ToString) -> String {
        let folder = format!("{}{}", self.0.path().display(), std::path::MAIN_SEPARATOR);
        error.to_string().replace(&folder, "")
    }
}
