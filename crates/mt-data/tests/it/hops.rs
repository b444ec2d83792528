//! One row from its text to a batch, as docs/architecture.md follows it.

use mt_data::{Labels, Paths, Records, Storage, TableReader};
use mt_features::{Batches, Fit, Numeric, permutation};

use crate::support::{Files, label, load, section};

const TEXT: &str = "user,tags,age,like\n17,a|b,31.5,1\n4,b,20,0\n4,b,20.5,0\n4,b|c,44,1\n";
const CONFIG: &str = "
csv: {train: DIR/log.csv}
valid_fraction: 0
fields: [{column: user}, {column: tags, separator: '|'}]
";

#[test]
fn a_row_is_followed_as_the_page_says() {
    let files = Files::with("log.csv", TEXT);
    let (data, tasks) = (section(&files, CONFIG), [label("like", "like")]);
    let paths = Paths::from(files.path("log.csv"));

    // 1 and 2: the file and its records.
    assert_eq!(Storage::default().expand(&paths).unwrap(), [std::path::PathBuf::from(files.path("log.csv"))]);
    let columns = ["user", "tags", "age", "like"].map(str::to_owned);
    let records = Records::read(&paths, &data, &columns, 2).unwrap();
    assert_eq!(records.record(0).collect::<Vec<_>>(), [&b"17"[..], b"a|b", b"31.5", b"1"]);

    // 3 to 6: parsed, encoded and numbered in order of appearance.
    let mut reader = TableReader::open_data(&paths, &data, &tasks).unwrap();
    let table = reader.next().unwrap().unwrap();
    assert_eq!((table.numeric().to_dense().row(0), table.labels()[0]), (&[31.5f32][..], 1.0));
    assert_eq!((table.fields()[0].of(0), table.fields()[1].of(0)), (&[2][..], &[2, 3][..]));

    // 7 to 9: a data set, rows of embedding tables by how often values are there, and numbers on a common scale.
    let loaded = load(&data, &tasks).unwrap();
    let row = (loaded.train.fields()[0].of(0), loaded.train.fields()[1].of(0));
    assert_eq!(row, (&[3][..], &[3, 2][..]));
    assert_eq!(format!("{:.4}", loaded.train.numeric().to_dense().row(0)[0]), "0.2550");

    // 10: a batch.
    let order = permutation(4, 1, 0);
    let batch = Batches::new(&loaded.train, &order, 4).next().unwrap();
    let place = order.iter().position(|&row| row == 0).unwrap();
    assert_eq!((batch.labels[place], batch.fields[1].of(place)), (1.0, &[3, 2][..]));

    // And 2 to 9 of the same row in the hands of a caller.
    let fitted = Fit::As(mt_features::Fitted {
        schema: &loaded.schema,
        normalizer: &loaded.normalizer,
        encoders: &loaded.encoders,
    });
    let again = mt_data::Dataset::load_with(&data, &tasks, fitted, &|_| ()).unwrap();
    assert_eq!(again.train, loaded.train);
    let mut scored = TableReader::open_encoded(
        &paths,
        &data,
        &loaded.schema,
        &tasks,
        &loaded.normalizer,
        &loaded.encoders,
        Labels::Ignored,
    )
    .unwrap();
    let Numeric::Dense(dense) = scored.next().unwrap().unwrap().into_batch().numeric else { panic!("dense") };
    assert_eq!(dense.row(0), loaded.train.numeric().to_dense().row(0));
}
