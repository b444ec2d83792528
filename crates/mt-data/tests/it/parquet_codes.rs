//! Columns whose values are codes of a dictionary give what they give without one.

use mt_data::{DataConfig, Dataset, Error, Paths, Result, TableReader};
use mt_features::Table;
use parquet::file::properties::WriterVersion;

use crate::parquet_writer::{Column, Form, convert, write};
use crate::support::{Files, join, label, load, section, values};

const ROWS: usize = 6000;

/// A table with columns of few and many values, with and without zeros and gaps, in runs and mixed.
fn text() -> String {
    let mut text = "l,hot,run,few,many,price,gaps,city,seen,word,user\n".to_owned();
    for i in 0..ROWS {
        let mixed = i.wrapping_mul(2_654_435_761) >> 7;
        let cells = [
            (i % 2).to_string(),
            usize::from(mixed.is_multiple_of(15)).to_string(),
            (i / 700).to_string(),
            (1 + mixed % 3).to_string(),
            (mixed % 3000).to_string(),
            (mixed % 40).to_string() + if mixed.is_multiple_of(5) { ".25" } else { "" },
            if i % 7 < 3 || i / 500 == 4 { String::new() } else { (mixed % 9).to_string() },
            ["Rome", "Oslo", "", "Lima"][mixed % 4].to_owned(),
            (0..mixed % 4).map(|n| (mixed % 5 + n).to_string()).collect::<Vec<_>>().join("|"),
            format!("w{}", mixed % 1000),
            (i / 3 % 900).to_string(),
        ];
        text += &(cells.join(",") + "\n");
    }
    text
}

const CONFIG: &str = "
csv: {train: DIR/rows.EXT, features: [hot, run, few, price, gaps]}
join: [{file: DIR/users.csv, key: user}]
numeric_missing: mean
group: user
weight: few / 2
fields:
- {column: city}
- {column: many, encode: {buckets: 9}}
- {column: seen, separator: '|', last: 2}
- {column: word, encode: {hash: 300}}
- {column: word, name: again, encode: {vocabulary: {min_count: 4}}}
- {column: user, encode: {growing: {capacity: 500}}}
- {column: age, encode: {identity: 50}}
";

fn files(form: Form) -> Files {
    let files = Files::with("rows.csv", text());
    let users = (0..850).map(|user| format!("{user},{}\n", user % 60)).collect::<String>();
    files.write("users.csv", "user,age\n".to_owned() + &users);
    convert(text().as_bytes(), files.path("rows.parquet"), form);
    files
}

fn read(files: &Files, config: &str, ext: &str) -> Result<Dataset> {
    load(
        &section(files, &config.replace("EXT", ext)),
        &[label("l", "l"), label("rich", "price > 20 && hot == 0")],
    )
}

#[test]
fn codes_give_the_rows_of_their_texts() {
    for version in [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0] {
        for (group, page, dictionary) in
            [(1 << 20, 20_000, true), (2500, 333, true), (700, 64, true), (2500, 333, false)]
        {
            let files = files(Form { group, page, version, dictionary, ..Form::default() });
            let [text, columns] = ["csv", "parquet"].map(|ext| read(&files, CONFIG, ext).unwrap());
            crate::parquet::assert_same(&text, &columns);
            // Without what makes cells of the columns of features.
            let alone = "{csv: {train: DIR/rows.EXT, features: [hot, run, many, price, gaps]}, numeric_missing: zero}";
            let data = ["csv", "parquet"]
                .map(|ext| load(&section(&files, &alone.replace("EXT", ext)), &[label("l", "l")]));
            let [Ok(text), Ok(columns)] = data else { unreachable!("both have been read") };
            crate::parquet::assert_same(&text, &columns);
        }
    }
}

#[test]
fn blocks_of_any_size_give_the_same_rows() {
    let files = files(Form { group: 2500, page: 333, ..Form::default() });
    let data: DataConfig = section(&files, &CONFIG.replace("EXT", "parquet"));
    let read = |block| -> Table {
        let paths = Paths::from(files.path("rows.parquet"));
        join(TableReader::open_blocks(&paths, &data, &[label("l", "l")], block).unwrap()).unwrap()
    };
    let whole = read(1 << 20);
    let bits = |table: &Table| values(table).iter().map(|x| x.to_bits()).collect::<Vec<_>>();
    for block in [1, 500, 1 << 15] {
        let table = read(block);
        assert!(bits(&table) == bits(&whole) && table.fields() == whole.fields(), "{block} bytes");
        assert!(table.groups() == whole.groups() && table.mask() == whole.mask(), "{block} bytes");
    }
}

#[test]
fn a_bad_record_takes_nothing_from_those_after_it() {
    let cities = ["a", "b", "a", "c", "b", "c", "a"];
    let scores = ["1", "1", "x", "1", "x", "1", "1"];
    let texts = |texts: [&str; 7]| Column::Texts(texts.map(|text| Some(text.to_owned())).into());
    let files = Files::new();
    let columns = [
        ("l", Column::Whole(vec![0, 1, 0, 1, 0, 1, 0])),
        ("city", texts(cities)),
        ("seen", texts(cities)),
        ("score", texts(scores)),
    ];
    write(files.path("rows.parquet"), &columns, Form::default());
    let rows = |i: usize| format!("{},{},{},{}\n", i % 2, cities[i], cities[i], scores[i]);
    files.write("rows.csv", "l,city,seen,score\n".to_owned() + &(0..7).map(rows).collect::<String>());
    for kind in ["weight: score, csv: {features: none, ", "csv: {features: [score], "] {
        let config = "{KIND train: DIR/rows.EXT, on_bad_record: {skip: 2}}, valid_fraction: 0, group: city,
            fields: [{column: city}, {column: seen, separator: '|'}]}";
        let read = |ext: &str, config: &str| {
            let config = config.replace("KIND", kind).replace("EXT", ext);
            load(&section(&files, &config), &[label("l", "l")])
        };
        let [text, columns] = ["csv", "parquet"].map(|ext| read(ext, config).unwrap());
        crate::parquet::assert_same(&text, &columns);
        assert_eq!((columns.train.len(), columns.skipped.records), (5, 2));
        let error: Error = read("parquet", &config.replace("skip: 2", "skip: 1")).unwrap_err();
        assert_eq!(
            error.to_string(),
            read("csv", &config.replace("skip: 2", "skip: 1")).unwrap_err().to_string()
        );
        let error = read("parquet", &config.replace("{skip: 2}", "fail")).unwrap_err();
        let expected = "rows.parquet: row 3: field \"score\": expected a number, found \"x\"";
        assert_eq!(files.message(&error), expected);
    }
}
