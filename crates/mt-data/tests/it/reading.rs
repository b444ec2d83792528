//! What the reader accepts.

use std::io::Write;

use mt_data::{CsvConfig, Features, Paths, TableReader};
use mt_features::{ColumnRef, Numeric};

use crate::support::{Files, headerless, label, label_at, read, values};

#[test]
fn a_plain_file_with_a_header() {
    let files = Files::with("a.csv", "age,like,height\n31,1,1.75\n40,0,-2e1\n");
    let csv = CsvConfig::new(files.path("a.csv"));
    let reader = TableReader::open_training(&csv.train, &csv, &[label("like", "like")]).unwrap();
    assert_eq!(reader.schema().numeric, ["age", "height"]);
    let table = read(&csv, &[label("like", "like")]).unwrap();
    assert_eq!(values(&table), [31.0, 1.75, 40.0, -20.0]);
    assert_eq!(table.labels(), [1.0, 0.0]);
    assert_eq!(table.positives(0), (1, 2));
}

#[test]
fn line_ends_blanks_quotes_and_a_byte_order_mark_make_no_difference() {
    let plain = Files::with("a.csv", "like,a,b\n1,2,3.5\n0,0,-7\n");
    let expected = read(&CsvConfig::new(plain.path("a.csv")), &[label("like", "like")]).unwrap();
    for text in [
        "like,a,b\r\n1,2,3.5\r\n0,0,-7\r\n",
        "like,a,b\n1,2,3.5\n0,0,-7",
        "like,a,b\r\n1,2,3.5\r\n0,0,-7",
        "\u{feff}like,a,b\n1,2,3.5\n0,0,-7\n",
        "\u{feff}\"like\",\"a\",\"b\"\n1,2,3.5\n0,0,-7\n\n",
        "like, a, b\n 1 , 2,\t3.5\n0 ,0, -7 \n",
        "like,a,b\n\"1\",\"2\",\" 3.5 \"\n0, \"0\" ,\"-7\"\r\n\r\n",
        "\nlike,a,b\n\n1,2,+3.5\n\n0,0,-07.0\n",
    ] {
        let files = Files::with("a.csv", text);
        let table = read(&CsvConfig::new(files.path("a.csv")), &[label("like", "like")]).unwrap();
        assert_eq!(table, expected, "{text:?}");
    }
}

#[test]
fn any_sensible_delimiter_works() {
    for delimiter in [';', '\t', '|', ' '] {
        let text = "l,a,b\n1,0,0.5\n0,4,12\n".replace(',', &delimiter.to_string());
        let files = Files::with("a.txt", text);
        let csv = CsvConfig { delimiter, ..CsvConfig::new(files.path("a.txt")) };
        assert_eq!(values(&read(&csv, &[label("l", "l")]).unwrap()), [0.0, 0.5, 4.0, 12.0]);
    }
}

#[test]
fn compressed_files_are_read_whatever_their_name() {
    let files = Files::new();
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(b"1,2,3\n0,5,6\n").unwrap();
    let bytes = gz.finish().unwrap();
    // Two members one after the other, as `cat a.gz b.gz` makes them.
    let twice = [bytes.clone(), bytes].concat();
    let zstd = zstd::encode_all(&b"1,2,3\n0,5,6\n"[..], 3).unwrap();
    // A frame to be skipped, of four bytes, then two frames.
    let skipped = [0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 1, 2, 3, 4];
    let frames = [&skipped[..], &zstd, &zstd].concat();
    for (name, bytes) in [("b.csv.zst", &frames), ("b.csv", &frames)] {
        let table = read(&headerless(files.write(name, bytes)), &[label_at("l", 0)]).unwrap();
        assert_eq!(values(&table), [2., 3., 5., 6., 2., 3., 5., 6.]);
    }
    for name in ["a.csv.gz", "a.csv"] {
        let table = read(&headerless(files.write(name, &twice)), &[label_at("l", 0)]).unwrap();
        assert_eq!(values(&table), [2., 3., 5., 6., 2., 3., 5., 6.]);
    }
}

#[test]
fn several_files_are_read_in_order_and_matched_by_name() {
    let files = Files::new();
    files.write("b.csv", "y,x,l\n20,10,1\n");
    files.write("a.csv", "l,x,y\n0,1,2\n0,0,4");
    files.write("c.csv", "extra,y,x,l\nhello,0,7,1\n");
    let csv = CsvConfig::new(files.path("*.csv"));
    let table = read(&csv, &[label("l", "l")]).unwrap();
    assert_eq!(values(&table), [1., 2., 0., 4., 10., 20., 7., 0.]);
    assert_eq!(table.labels(), [0., 0., 1., 1.]);
    let list = Paths(vec![files.path("c.csv"), files.path("a.csv")]);
    let csv = CsvConfig { exclude: vec![ColumnRef::Name("extra".into())], ..CsvConfig::new("") };
    let table = read(&CsvConfig { train: list, ..csv }, &[label("l", "l")]).unwrap();
    assert_eq!(values(&table), [0., 7., 2., 1., 4., 0.]);
}

#[test]
fn features_can_be_listed_and_excluded() {
    let files = Files::with("a.csv", "id,l,a,b,c\nx,1,1,2,3\n\"y, z\",0,4,5,6\n");
    let name = |n: &str| ColumnRef::Name(n.to_owned());
    let all =
        CsvConfig { exclude: vec![name("id"), ColumnRef::Index(3)], ..CsvConfig::new(files.path("a.csv")) };
    assert_eq!(values(&read(&all, &[label("l", "l")]).unwrap()), [1., 3., 4., 6.]);
    let list = CsvConfig {
        features: Features::List(vec![name("c"), ColumnRef::Index(2)]),
        ..CsvConfig::new(files.path("a.csv"))
    };
    assert_eq!(values(&read(&list, &[label("l", "l")]).unwrap()), [3., 1., 6., 4.]);
}

#[test]
fn an_empty_label_is_a_missing_one() {
    let files = Files::with("a.csv", "1,,5\n,0,6\n\"\", 1,7\n");
    let table = read(&headerless(files.path("a.csv")), &[label_at("a", 0), label_at("b", 1)]).unwrap();
    assert_eq!(table.labels(), [1., 0., 0., 0., 0., 1.]);
    assert_eq!(table.mask(), [1., 0., 0., 1., 0., 1.]);
    assert_eq!((table.positives(0), table.positives(1), table.positives(2)), ((1, 1), (1, 2), (0, 0)));
}

#[test]
fn columns_named_by_their_numbers_are_names() {
    let files = Files::with("a.csv", "0,1,2,3\n1,5,6,7\n");
    let table = read(&CsvConfig::new(files.path("a.csv")), &[label("l", "0")]).unwrap();
    assert_eq!(values(&table), [5., 6., 7.]);
}

#[test]
fn a_file_of_names_names_the_columns_of_a_file_without_header() {
    let files = Files::with("a.csv", "1,5,6\n");
    files.write("names.txt", "like\nage\nheight\n");
    let csv = CsvConfig { names: Some(files.path("names.txt").into()), ..headerless(files.path("a.csv")) };
    let reader = TableReader::open_training(&csv.train, &csv, &[label("like", "like")]).unwrap();
    assert_eq!(reader.schema().numeric, ["age", "height"]);
}

#[test]
fn mostly_zero_text_becomes_sparse_rows_and_other_text_dense_ones() {
    let mut text = String::new();
    for row in 0..50usize {
        let cell = |column: usize| if (row * 7 + column).is_multiple_of(11) { "3" } else { "0" };
        let cells: Vec<&str> = (0..40).map(cell).collect();
        text += &format!("1,{}\n", cells.join(","));
    }
    let files = Files::with("sparse.csv", &text);
    let sparse = read(&headerless(files.path("sparse.csv")), &[label_at("l", 0)]).unwrap();
    assert!(matches!(sparse.numeric(), Numeric::Sparse(_)));
    let files = Files::with("dense.csv", text.replace('0', "2"));
    let dense = read(&headerless(files.path("dense.csv")), &[label_at("l", 0)]).unwrap();
    assert!(matches!(dense.numeric(), Numeric::Dense(_)));
}

#[test]
fn batches_cover_every_row_in_the_given_order() {
    let files = Files::with("a.csv", "0,1\n1,2\n0,3\n1,4\n1,5\n");
    let table = read(&headerless(files.path("a.csv")), &[label_at("l", 0)]).unwrap();
    let order = [4, 0, 3, 1, 2];
    let mut seen = Vec::new();
    for batch in mt_features::Batches::new(&table, &order, 2) {
        seen.push((batch.numeric.to_dense().values, batch.labels));
    }
    let expected = [(vec![5., 1.], vec![1., 0.]), (vec![4., 2.], vec![1., 1.]), (vec![3.], vec![0.])];
    assert_eq!(seen, expected);
    let (mut batches, mut batch) =
        (mt_features::Batches::new(&table, &order, 2), mt_features::Batch::default());
    let mut rows = 0;
    while batches.next_into(&mut batch) {
        rows += batch.rows();
    }
    assert_eq!(rows, 5);
}
