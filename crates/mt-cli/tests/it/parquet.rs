//! Parquet files through the program: what text files with the same content give, byte for byte.

use crate::parquet_writer::{Form, convert};
use crate::support::{Folder, TINY, rows};

/// A folder with `rows.csv`, `rows.parquet` and a configuration for each, `csv.yaml` and `parquet.yaml`.
fn both() -> Folder {
    let folder = Folder::new();
    let text = rows(400, 1);
    convert(text.as_bytes(), folder.path("rows.parquet"), Form { group: 150, ..Form::default() });
    folder.write("rows.csv", text);
    folder.write("csv.yaml", format!("name: same\n{TINY}"));
    let columns = TINY.replace("csv: {train: rows.csv}", "parquet: {train: rows.parquet}");
    folder.write("parquet.yaml", format!("name: same\n{columns}"));
    folder
}

#[test]
fn training_on_parquet_files_gives_the_checkpoints_of_text_files() {
    let folder = both();
    for kind in ["csv", "parquet"] {
        folder.mt(&["train", &format!("{kind}.yaml"), "--run-dir", kind]).done();
    }
    let files = folder.files("csv/checkpoints");
    assert_eq!(files, folder.files("parquet/checkpoints"));
    assert!(files.len() > 4, "{files:?}");
    for file in files {
        let [text, columns] =
            ["csv", "parquet"].map(|kind| folder.bytes(&format!("{kind}/checkpoints/{file}")));
        assert!(text == columns, "{file} differs");
    }
    // A run predicts and evaluates on files of either kind, whatever it was trained on.
    for kind in ["csv", "parquet"] {
        let predict = |file: &str| folder.mt(&["predict", "--run", kind, "--input", file]).done();
        let predicted = predict("rows.csv");
        assert_eq!(predicted.lines().count(), 401);
        assert_eq!(predict("rows.parquet"), predicted);
        let eval = |file: &str| folder.mt(&["eval", "--run", kind, "--data", file, "--json"]).done();
        assert_eq!(
            eval("rows.parquet").replace("parquet", "csv"),
            eval("rows.csv").replace("parquet", "csv")
        );
    }
    let stats = |kind: &str| folder.mt(&["data", "stats", &format!("{kind}.yaml")]).done();
    assert_eq!(stats("parquet"), stats("csv"));
    let inspect = |kind: &str| folder.mt(&["inspect", &format!("{kind}.yaml")]).done();
    assert_eq!(inspect("parquet"), inspect("csv"));
}

#[test]
fn a_wrong_file_or_key_is_named() {
    let folder = both();
    folder.write("short.parquet", b"PAR1");
    let with = |set| ["train", "parquet.yaml", "--set", set];
    let said = folder.mt(&with("data.parquet.train=short.parquet"));
    assert_eq!(said.code, Some(1));
    assert!(said.err.starts_with("error: short.parquet: not a readable Parquet file"), "{}", said.err);
    let said = folder.mt(&with("data.parquet.delimiter=;"));
    assert_eq!(said.code, Some(2));
    let expected = "error: --set data.parquet.delimiter=;: unknown key \"delimiter\"";
    assert!(said.err.starts_with(expected), "{}", said.err);
    let said = folder.mt(&with("tasks[0].label=watchd"));
    let expected =
        "error: tasks.watched.label: no column \"watchd\" in rows.parquet; did you mean \"watched\"?";
    assert!(said.err.starts_with(expected), "{}", said.err);
}

#[test]
fn a_damaged_file_is_an_error_and_nothing_else() {
    use crate::parquet_writer::{Column, write};

    let folder = Folder::new();
    let lists = (0..40).map(|i| Some((0..i % 3).map(|j| Some(i * j)).collect())).collect();
    let labels = (0..40).map(|i| i % 2).collect();
    let columns = [("tags", Column::LongLists(lists)), ("like", Column::Whole(labels))];
    let form =
        Form { dictionary: false, compression: parquet::basic::Compression::UNCOMPRESSED, ..Form::default() };
    write(folder.path("whole.parquet"), &columns, form);
    let whole = folder.bytes("whole.parquet");
    let config = "{version: 1, data: {parquet: {train: bad.parquet, features: none}, fields: [{column: tags, separator: '|'}]}, \
                  tasks: [{name: like, label: like}], model: {kind: mmoe}}";
    folder.write("bad.yaml", config);
    // The levels say that there are more values than the page has, at which the decoder panics.
    let mut panicked = 0;
    for at in (4..whole.len().min(100)).filter(|at| whole[*at] != 0xFF) {
        let mut bad = whole.clone();
        bad[at] = 0xFF;
        folder.write("bad.parquet", bad);
        let said = folder.mt(&["data", "stats", "bad.yaml"]);
        if said.code != Some(0) {
            assert!(
                said.err.starts_with("error: bad.parquet") && said.err.lines().count() == 1,
                "{at}: {}",
                said.err
            );
            panicked += u32::from(said.err.contains("what the file says of itself cannot be"));
        }
    }
    assert!(panicked > 0);
}
