//! Typed columns of every kind give what their texts give.

use std::sync::Arc;

use arrow_array::types::Int32Type;
use arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, DictionaryArray, FixedSizeBinaryArray,
    Float16Array, Int8Array, Int16Array, LargeStringArray, RecordBatch, StringViewArray,
    TimestampMicrosecondArray, TimestampMillisecondArray, UInt8Array, UInt16Array,
};
use mt_data::{Dataset, Paths, Records};
use mt_features::Field;
use parquet::arrow::ArrowWriter;

use crate::parquet::assert_same;
use crate::support::{Files, label, load, section};

/// Three rows of each kind, and what a text file would hold.
fn columns() -> Vec<(&'static str, ArrayRef, [&'static str; 3])> {
    let half = |x: f32| half::f16::from_f32(x);
    let uuids = [Some([7u8; 4]), None, Some([65u8; 4])];
    let uuids = FixedSizeBinaryArray::try_from_sparse_iter_with_size(uuids.into_iter(), 4).unwrap();
    let decimals = Decimal128Array::from(vec![Some(1250), None, Some(-7)]);
    let moments = TimestampMillisecondArray::from(vec![Some(1_650_880_461_000), None, Some(-1)]);
    let coded: DictionaryArray<Int32Type> = [Some("a"), None, Some("b")].into_iter().collect();
    vec![
        ("l", Arc::new(Int8Array::from(vec![1, 0, 1])), ["1", "0", "1"]),
        ("tiny", Arc::new(Int8Array::from(vec![Some(-128), None, Some(127)])), ["-128", "", "127"]),
        ("short", Arc::new(Int16Array::from(vec![Some(-7), None, Some(7)])), ["-7", "", "7"]),
        ("byte", Arc::new(UInt8Array::from(vec![Some(255), None, Some(0)])), ["255", "", "0"]),
        ("word", Arc::new(UInt16Array::from(vec![Some(65_535), None, Some(7)])), ["65535", "", "7"]),
        (
            "half",
            Arc::new(Float16Array::from(vec![Some(half(0.5)), None, Some(half(-2.0))])),
            ["0.5", "", "-2"],
        ),
        ("flag", Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)])), ["1", "", "0"]),
        ("day", Arc::new(Date32Array::from(vec![Some(19_107), None, Some(-1)])), ["19107", "", "-1"]),
        ("moment", Arc::new(moments.with_timezone("+02:00")), ["1650880461000", "", "-1"]),
        (
            "instant",
            Arc::new(TimestampMicrosecondArray::from(vec![Some(1_650_880_461_000_001), None, Some(1)])),
            ["1650880461000001", "", "1"],
        ),
        ("price", Arc::new(decimals.with_precision_and_scale(10, 2).unwrap()), ["12.50", "", "-0.07"]),
        ("large", Arc::new(LargeStringArray::from(vec![Some("x"), None, Some("é ")])), ["x", "", "é"]),
        (
            "view",
            Arc::new(StringViewArray::from(vec![Some("a longer text than fits"), None, Some("x")])),
            ["a longer text than fits", "", "x"],
        ),
        ("bytes", Arc::new(BinaryArray::from_opt_vec(vec![Some(b"x"), None, Some(b"yz")])), ["x", "", "yz"]),
        ("fixed", Arc::new(uuids), ["\u{7}\u{7}\u{7}\u{7}", "", "AAAA"]),
        ("coded", Arc::new(coded), ["a", "", "b"]),
    ]
}

const FIELDS: [&str; 15] = [
    "tiny", "short", "byte", "word", "half", "flag", "day", "moment", "instant", "price", "large", "view",
    "bytes", "fixed", "coded",
];

fn files() -> Files {
    let columns = columns();
    let names: Vec<&str> = columns.iter().map(|(name, ..)| *name).collect();
    let row = |row: usize| columns.iter().map(|(.., texts)| texts[row]).collect::<Vec<_>>().join(",") + "\n";
    let files = Files::with("rows.csv", &(names.join(",") + "\n" + &row(0) + &row(1) + &row(2)));
    let batch =
        RecordBatch::try_from_iter(columns.into_iter().map(|(name, array, _)| (name, array))).unwrap();
    let file = std::fs::File::create(files.path("rows.parquet")).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    files
}

#[test]
fn every_kind_of_column_is_a_field_and_numbers_are_features() {
    let files = files();
    let read = |ext: &str, section_text: &str| -> Dataset {
        load(&section(&files, &section_text.replace("EXT", ext)), &[label("l", "l")]).unwrap()
    };
    let fields: Vec<String> = FIELDS.map(|name| format!("{{column: {name}}}")).into();
    let fields = format!(
        "{{csv: {{train: DIR/rows.EXT, features: none}}, valid_fraction: 0, fields: [{}]}}",
        fields.join(", ")
    );
    let [text, typed] = ["csv", "parquet"].map(|ext| read(ext, &fields));
    assert_same(&text, &typed);
    assert_eq!(typed.schema.fields.iter().map(|field: &Field| &field.name).collect::<Vec<_>>(), FIELDS);
    let features = "{csv: {train: DIR/rows.EXT, features: [tiny, short, byte, word, half, flag, day, moment, instant, price]}, \
                    valid_fraction: 0, numeric_missing: mean}";
    let [text, typed] = ["csv", "parquet"].map(|ext| read(ext, features));
    assert_same(&text, &typed);
    let features = typed.train.numeric().to_dense();
    assert_eq!((features.rows(), features.width), (3, 10));
}

#[test]
fn texts_of_typed_records_are_those_of_a_text_file() {
    let files = files();
    let names: Vec<String> = FIELDS.map(str::to_owned).into();
    let read = |ext: &str| {
        let data = section(&files, &format!("{{csv: {{train: DIR/rows.{ext}}}}}"));
        Records::read(&Paths::from(files.path(&format!("rows.{ext}"))), &data, &names, 10).unwrap()
    };
    let (text, typed) = (read("csv"), read("parquet"));
    for row in 0..3 {
        let cells = |records: &Records| {
            records.record(row).map(|cell| String::from_utf8_lossy(cell).into_owned()).collect::<Vec<_>>()
        };
        assert_eq!(cells(&text), cells(&typed), "row {row}");
    }
}
