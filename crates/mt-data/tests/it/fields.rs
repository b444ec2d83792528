//! Columns that are looked up in embedding tables.

use mt_data::{DataConfig, Error, Labels, TableReader};
use mt_features::Batches;
use mt_features::{
    ColumnRef, Encoder, Encoders, Encoding, Ids, Keep, Normalizer, Pooling, Schema, TaskConfig,
};

use crate::support::{Files, join, label, load, named, section};

const LOG: &str = "like,user,video,seen,x\n\
                   1,7,a,a b c,0.5\n\
                   0,7,b,,1\n\
                   0,8,a,c,2\n\
                   1,,b,a a,3\n";
const FIELDS: &str = "
csv: {train: DIR/log.csv, features: [x]}
valid_fraction: 0
normalize: none
fields:
- {column: user}
- {column: video, table: video}
- {column: seen, table: video, separator: ' ', last: 2, pooling: sum}
";

fn like() -> [TaskConfig; 1] {
    [label("like", "like")]
}

fn single(rows: &[u32]) -> Ids {
    Ids { offsets: None, rows: rows.to_vec(), keys: None }
}

fn list(offsets: &[u32], rows: &[u32]) -> Ids {
    Ids { offsets: Some(offsets.to_vec()), rows: rows.to_vec(), keys: None }
}

#[test]
fn values_become_rows_by_falling_count() {
    let files = Files::with("log.csv", LOG);
    let data = load(&section(&files, FIELDS), &like()).unwrap();
    // user: 7 twice, 8 once. video and the last two seen: a 4 times, b 3 times, c twice.
    assert_eq!(data.train.fields()[0], single(&[2, 2, 3, 1]));
    assert_eq!(data.train.fields()[1], single(&[2, 3, 2, 3]));
    assert_eq!(data.train.fields()[2], list(&[0, 2, 2, 3, 5], &[3, 4, 4, 2, 2]));
    assert_eq!(data.encoders.rows("user"), Some(4));
    assert_eq!(data.encoders.rows("video"), Some(5));
    assert_eq!(data.encoders.rows("seen"), None);
    assert_eq!(data.schema.numeric, ["x"]);
    let seen = &data.schema.fields[2];
    assert_eq!((seen.name.as_str(), seen.table.as_str()), ("seen", "video"));
    let shape = seen.list.as_ref().unwrap();
    assert_eq!((shape.separator, &shape.pooling, shape.keep), (' ', &Pooling::Sum, Some(Keep::Last(2))));
}

#[test]
fn encoders_and_schema_can_be_stored_and_read_new_rows() {
    let files = Files::with("log.csv", LOG);
    let config = section(&files, FIELDS);
    let data = load(&config, &like()).unwrap();
    let text = serde_yaml::to_string(&data.encoders).unwrap();
    let encoders: Encoders = serde_yaml::from_str(&text).unwrap();
    assert_eq!((&encoders, encoders.fingerprint()), (&data.encoders, data.encoders.fingerprint()));
    let schema: Schema = serde_yaml::from_str(&serde_yaml::to_string(&data.schema).unwrap()).unwrap();
    assert_eq!(schema, data.schema);

    // In any order, without labels; 9 and d are unknown.
    let new = files.write("new.csv", "x,seen,video,user\n4,b d a,d,9\n5,,a,\"8\"\n");
    let read = |encoders: &Encoders| {
        let labels = Labels::Optional;
        TableReader::open_encoded(
            &new.clone().into(),
            &config,
            &schema,
            &like(),
            &data.normalizer,
            encoders,
            labels,
        )
    };
    let table = join(read(&encoders).unwrap()).unwrap();
    assert_eq!(table.fields(), [single(&[0, 3]), single(&[0, 2]), list(&[0, 2, 2], &[0, 2])]);
    assert_eq!((table.mask(), table.labels()), (&[0., 0.][..], &[0., 0.][..]));

    let Err(error) = read(&Encoders { tables: encoders.tables[..1].to_vec() }) else { panic!() };
    assert_eq!(
        error.to_string(),
        "field \"video\": the encoders have no table \"video\"; they belong to another model"
    );
    let Err(error) = TableReader::open(
        &new.clone().into(),
        config.csv.as_ref().unwrap(),
        &schema,
        &like(),
        &data.normalizer,
        Labels::Optional,
    ) else {
        panic!()
    };
    assert!(matches!(error, Error::Features(mt_features::Error::NoEncoder { .. })));
}

#[test]
fn valid_rows_do_not_shape_the_vocabulary() {
    let files = Files::with("log.csv", "l,u\n1,a\n0,b\n0,a\n");
    files.write("valid.csv", "l,u\n1,c\n0,b\n");
    let text = "
csv: {train: DIR/log.csv, valid: DIR/valid.csv, features: none}
fields: [{column: u, encode: {vocabulary: {min_count: 2}}}]
";
    let data = load(&section(&files, text), &[label("l", "l")]).unwrap();
    assert_eq!(data.train.fields(), [single(&[2, 0, 2])]);
    let valid = data.valid.unwrap();
    assert_eq!(valid.fields(), [single(&[0, 0])]);
    assert_eq!((valid.len(), valid.width()), (2, 0));
    let parts = section(
        &files,
        "{csv: {train: DIR/log.csv, features: none}, valid_fraction: 0.34, fields: [{column: u}]}",
    );
    let data = load(&parts, &[label("l", "l")]).unwrap();
    assert_eq!((data.train.len(), data.valid.unwrap().len()), (2, 1));
    assert_eq!(data.train.fields()[0].len(), 2);
}

#[test]
fn large_identifiers_stay_apart() {
    let ids = [
        "16777216",
        "16777217",
        "9007199254740992",
        "9007199254740993",
        "18446744073709551615",
        "18446744073709551614",
    ];
    let rows: String = ids.iter().map(|id| format!("1,{id}\n")).collect();
    let files = Files::with("log.csv", format!("l,id\n{rows}"));
    for encode in ["vocabulary", "{hash: 100000000}"] {
        let text = format!(
            "{{csv: {{train: DIR/log.csv, features: none}}, valid_fraction: 0, fields: [{{column: id, encode: {encode}}}]}}"
        );
        let data = load(&section(&files, &text), &[label("l", "l")]).unwrap();
        let mut rows = data.train.fields()[0].rows.clone();
        rows.sort_unstable();
        rows.dedup();
        assert_eq!(rows.len(), ids.len(), "{encode}");
    }
}

#[test]
fn each_encoding_has_its_rows() {
    let files = Files::with("log.csv", "l,a,b,c\n1,0,5,x\n0,9,1,x\n1,10,,y\n0,?,3,z\n");
    let text = "
csv: {train: DIR/log.csv, features: none, missing: ['?']}
valid_fraction: 0
fields:
- {column: a, encode: {identity: 10}}
- {column: b, encode: {buckets: 3}}
- {column: c, name: hashed, encode: {hash: 5}}
";
    let data = load(&section(&files, text), &[label("l", "l")]).unwrap();
    let [a, b, c] = data.train.fields() else { panic!() };
    assert_eq!(a, &single(&[2, 11, 0, 1]));
    assert_eq!(data.encoders.encoder("b"), Some(&Encoder::Buckets(vec![3.0, 5.0])));
    assert_eq!(b, &single(&[4, 2, 1, 3]));
    assert!(c.rows.iter().all(|row| (2..7).contains(row)) && c.rows[0] == c.rows[1]);
    assert_eq!(["a", "b", "hashed"].map(|table| data.encoders.rows(table)), [Some(12), Some(5), Some(7)]);
}

#[test]
fn batches_carry_the_fields_of_their_rows() {
    let files = Files::with("log.csv", LOG);
    let data = load(&section(&files, FIELDS), &like()).unwrap();
    let batches: Vec<_> = Batches::new(&data.train, &[3, 0, 1], 2).collect();
    assert_eq!(batches[0].fields, [single(&[1, 2]), single(&[3, 2]), list(&[0, 2, 4], &[2, 2, 3, 4])]);
    assert_eq!(batches[1].fields, [single(&[2]), single(&[3]), list(&[0, 0], &[])]);
    let middle = data.train.slice(1..3);
    assert_eq!(middle.fields, [single(&[2, 3]), single(&[3, 2]), list(&[0, 0, 1], &[4])]);
    let mut twice = data.train.clone();
    twice.append(data.train.clone()).unwrap();
    assert_eq!(twice.fields()[2], list(&[0, 2, 2, 3, 5, 7, 7, 8, 10], &[3, 4, 4, 2, 2, 3, 4, 4, 2, 2]));
    twice.retain(&[2, 4, 5, 7]);
    assert_eq!(twice.fields()[0], single(&[3, 2, 2, 1]));
    assert_eq!(twice.fields()[2], list(&[0, 1, 3, 3, 5], &[4, 3, 4, 2, 2]));
    assert_eq!(twice.fields()[2].of(1), [3, 4]);
}

#[test]
fn neither_threads_nor_blocks_change_what_is_encoded() {
    let row = |i: u64| {
        let seen: Vec<String> = (0..i % 5).map(|k| (i * 7 + k * k % 11).to_string()).collect();
        format!("{},{},\"{}\",{}\n", i % 2, i * 2_654_435_761 % 97, seen.join("|"), i)
    };
    let files = Files::with("log.csv", format!("l,u,s,x\n{}", (0..3000).map(row).collect::<String>()));
    let text = "
csv: {train: DIR/log.csv}
group: u
fields: [{column: u}, {column: s, separator: '|', first: 3, table: u}]
";
    let data = section(&files, text);
    let read = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let data = pool.install(|| load(&data, &[label("l", "l")])).unwrap();
        (data.encoders, data.train)
    };
    let (encoders, train) = read(1);
    assert_eq!(read(3), (encoders, train));
    let groups = |block| {
        let paths = data.csv.as_ref().unwrap().train.clone();
        let table =
            join(TableReader::open_blocks(&paths, &data, &[label("l", "l")], block).unwrap()).unwrap();
        table.groups().unwrap().to_vec()
    };
    assert_eq!(groups(100), groups(1 << 20));
    assert_eq!(groups(100)[..3], [0, 1, 2]);
}

#[test]
fn missing_numbers_are_an_error_a_zero_or_the_mean() {
    let files = Files::with("log.csv", "l,x,y\n1,3,0\n0,,1\n1,-124,1\n0,6,0\n");
    let read = |rest: &str| {
        let text = format!("{{csv: {{train: DIR/log.csv, missing: ['-124']}}, valid_fraction: 0{rest}}}");
        let data = load(&section(&files, &text), &[label("l", "l")])?;
        Ok((0..4).map(|row| data.train.numeric().to_dense().row(row)[0]).collect::<Vec<f32>>())
    };
    let error: Error = read("").unwrap_err();
    let expected = "log.csv:3:3: field \"x\": expected a number, found an empty field (record 2)";
    assert_eq!(files.message(&error), expected);
    assert_eq!(read(", numeric_missing: zero, normalize: none").unwrap(), [3.0, 0.0, 0.0, 6.0]);
    assert_eq!(read(", numeric_missing: mean, normalize: none").unwrap(), [3.0, 4.5, 4.5, 6.0]);
    assert_eq!(read(", numeric_missing: mean").unwrap(), [-1.0, 0.0, 0.0, 1.0]);
    assert_eq!(read(", numeric_missing: mean, normalize: min-max").unwrap(), [0.0, 0.5, 0.5, 1.0]);
    assert_eq!(read(", numeric_missing: mean, normalize: log1p-standard").unwrap()[1], 0.0);
}

#[test]
fn quotes_around_a_value_are_no_part_of_it() {
    let files = Files::with("log.csv", "l,u\n1,\"say \"\"x\"\"\"\n0, say \"\"x\"\" \n1,\"a,b\"\r\n");
    let text = "{csv: {train: DIR/log.csv, features: none}, valid_fraction: 0, fields: [{column: u}]}";
    let data = load(&section(&files, text), &[label("l", "l")]).unwrap();
    let Some(Encoder::Vocabulary(known)) = data.encoders.encoder("u") else { panic!() };
    assert_eq!(known.values().collect::<Vec<_>>(), [&b"a,b"[..], b"say \"\"x\"\"", b"say \"x\""]);
}

#[test]
fn bad_values_are_named_with_their_place() {
    let message = |row: &str, field: &str| {
        let files = Files::with("log.csv", format!("l,a,b\n1,1,1\n{row}\n"));
        let text = format!("{{csv: {{train: DIR/log.csv, features: none}}, fields: [{field}]}}");
        files.message(&load(&section(&files, &text), &[label("l", "l")]).unwrap_err())
    };
    assert_eq!(
        message("0,7.5,1", "{column: a, encode: {identity: 10}}"),
        "log.csv:3:3: field \"a\": expected a whole number from 0, found \"7.5\" (record 2)"
    );
    assert_eq!(
        message("0,1,x", "{column: b, encode: {buckets: 10}}"),
        "log.csv:3:5: field \"b\": expected a number, found \"x\" (record 2)"
    );
    assert_eq!(
        message("0,1,5||6", "{column: b, separator: '|'}"),
        "log.csv:3:5: field \"b\": expected a value between any two separators, found \"5||6\" (record 2)"
    );
    assert_eq!(
        message("0,1,\"5", "{column: b}"),
        "log.csv:3:5: field \"b\": expected a closing quote; it is open up to the end of the file, found \"\\\"5\" (record 2)"
    );
    assert_eq!(message("0,1", "{column: b}"), "log.csv:3:4: expected 3 fields, found 2 (record 2)");
    assert_eq!(message("0,1,2", "{column: c}"), "data.fields[0].column: no column \"c\" in log.csv");
    assert_eq!(
        message("0,1,2", "{column: l}"),
        "features: column \"l\" is the label of task \"l\"; it cannot be a feature"
    );
}

#[test]
fn contradictions_between_fields_are_refused() {
    let check = |fields: &str| {
        let data: DataConfig =
            serde_yaml::from_str(&format!("{{csv: {{train: a}}, fields: {fields}}}")).unwrap();
        data.check().unwrap_err().to_string()
    };
    assert_eq!(
        check("[{column: a, encode: {hash: 5}}, {column: b, table: a, encode: {hash: 6}}]"),
        "data.fields[1].encode: table \"a\" has another encoding at its first field; give it once, or the same"
    );
    assert_eq!(
        check("[{column: a}, {column: b, name: a}]"),
        "data.fields[1].name: expected another name for each field, found \"a\" again"
    );
    assert_eq!(
        check("[{column: a, name: a.b}]"),
        "data.fields[0].name: expected a name without dots, slashes and blanks, found \"a.b\""
    );
    let text = "data.fields[0].separator: expected one ASCII character that is no letter, digit or quote and ends no line, found 'é'";
    assert_eq!(check("[{column: a, separator: é}]"), text);
    assert_eq!(
        check("[{column: a, last: 5}]"),
        "data.fields[0].last: expected nothing, as there is no `separator`, found 5"
    );
    assert_eq!(
        check("[{column: a, separator: ' ', last: 5, first: 5}]"),
        "data.fields[0].last: expected nothing, as there is `first`, found 5"
    );
    assert_eq!(
        check("[{column: a, separator: ' ', first: 0}]"),
        "data.fields[0].first: expected at least 1, found 0"
    );
    assert_eq!(
        check("[{column: a, encode: {buckets: 1}}]"),
        "data.fields[0].encode.buckets: expected 2 to 65536, found 1"
    );
    let wrong = |text: &str| serde_yaml::from_str::<DataConfig>(text).unwrap_err().to_string();
    let long = wrong("csv: {train: a}\nfields:\n- {column: a, separator: '||'}\n");
    assert_eq!(
        long,
        "fields[0].separator: invalid value: string \"||\", expected a character at line 3 column 26"
    );
    let encode = wrong("csv: {train: a}\nfields:\n- {column: a, encode: {hsh: 5}}\n");
    assert!(encode.contains("unknown field `hsh`, expected one of `vocabulary`, `hash`"), "{encode}");
    let synth: DataConfig = serde_yaml::from_str("{synth: {}, fields: [{column: a}]}").unwrap();
    assert_eq!(
        synth.check().unwrap_err().to_string(),
        "data.fields: expected rows from files, found data.synth"
    );
}

#[test]
fn a_file_without_names_has_fields_by_position() {
    let files = Files::with("train.csv", "1,a,5,x\n0,b,6,x\n");
    let text = "
csv: {train: DIR/train.csv, header: false}
valid_fraction: 0
normalize: none
fields: [{column: 1}, {column: 3, name: kind}]
";
    let config = section(&files, text);
    let tasks = [TaskConfig::new("l", ColumnRef::Index(0))];
    let data = load(&config, &tasks).unwrap();
    assert_eq!(data.schema.fields[0].name, "column_1");
    assert_eq!(data.schema.numeric, ["column 2"]);
    let new = files.write("new.csv", "b,7,y\n");
    let normalizer = Normalizer::identity(1, data.normalizer.layout);
    let reader = TableReader::open_encoded(
        &new.into(),
        &config,
        &data.schema,
        &tasks,
        &normalizer,
        &data.encoders,
        Labels::Optional,
    );
    let table = join(reader.unwrap()).unwrap();
    assert_eq!(table.fields(), [single(&[3]), single(&[0])]);
    assert_eq!(table.numeric().to_dense().values, [7.0]);
}

#[test]
fn every_key_of_a_field_reads_and_writes_back() {
    let text = "
csv: {train: a, features: none, missing: ['?']}
numeric_missing: mean
fields:
- {column: a, name: b, table: c, encode: {vocabulary: {min_count: 3}}, separator: ',', pooling: max, last: 3}
- {column: 4, encode: vocabulary}
- {column: d, encode: {hash: 10}, separator: '|', first: 2}
- {column: e, encode: {growing: {capacity: 9, admit: 2}}}
weight: w
group: g
split: {valid: d == 1, test: d == 2}
join: [{file: users.csv.gz, key: user, missing: fail}]
";
    let data: DataConfig = serde_yaml::from_str(text).unwrap();
    assert_eq!(data.fields[0].encode, Some(Encoding::Vocabulary { min_count: 3 }));
    assert_eq!(data.fields[1].encode, Some(Encoding::default()));
    assert_eq!(data.weight, Some(named("w")));
    let again: DataConfig = serde_yaml::from_str(&serde_yaml::to_string(&data).unwrap()).unwrap();
    assert_eq!(again, data);
}
