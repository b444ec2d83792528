//! Fields of tables that grow: values as keys.

use std::sync::Arc;

use mt_data::DataConfig;
use mt_features::{Ids, MissingPolicy, RawRows, RowEncoder};

use crate::support::{Files, label, load, section};

/// The keys of a field's rows, `None` for an unknown or missing value.
fn keys(ids: &Ids) -> Vec<Option<u64>> {
    let list = ids.keys.as_ref().unwrap();
    ids.rows.iter().map(|row| row.checked_sub(2).map(|at| list[at as usize])).collect()
}

#[test]
fn values_of_a_table_that_grows_are_keys_the_same_in_every_list() {
    let rows: String = (0..40).map(|i| format!("{},{},{}\n", i % 2, (u64::MAX - i % 7), i % 3)).collect();
    let files = Files::with("rows.csv", format!("l,user,seen\n{rows}1,ann,b 9007199254740993\n0,,\n"));
    files.write("new.csv", "l,user,seen\n1,stranger,5 b\n0,ann,\n1,18446744073709551615,9007199254740993\n");
    let text = "
csv: {train: DIR/rows.csv, valid: DIR/new.csv, features: none}
fields:
- {column: user, encode: {growing: {capacity: 10, admit: 2, ttl: 100}}}
- {column: seen, table: user, separator: ' '}
";
    let (data, tasks) = (section(&files, text), [label("l", "l")]);
    let loaded = load(&data, &tasks).unwrap();
    assert_eq!(loaded.encoders.rows("user"), Some(12));
    let train = loaded.train.fields();
    assert!(Arc::ptr_eq(train[0].keys.as_ref().unwrap(), train[1].keys.as_ref().unwrap()));
    assert_eq!(keys(&train[0])[..3], [Some(u64::MAX), Some(u64::MAX - 1), Some(u64::MAX - 2)]);
    let ann = keys(&train[0])[40];
    assert_eq!(keys(&train[0])[41], None);
    assert_eq!(train[0].rows[41], 1);
    let valid = loaded.valid.as_ref().unwrap().fields();
    assert_eq!(keys(&valid[0])[1..], [ann, Some(u64::MAX)]);
    assert_eq!(keys(&valid[1])[0], Some(5));
    assert_eq!(keys(&valid[1])[1], keys(&train[1])[40]);
    assert_eq!(keys(&valid[1])[2], Some((1 << 53) + 1));
    // Another day's data fits the same encoders, whatever its values.
    let again = load(&section(&files, &text.replace("DIR/rows", "DIR/new")), &tasks).unwrap();
    assert_eq!(again.encoders.fingerprint(), loaded.encoders.fingerprint());

    let encoder =
        RowEncoder::new(&loaded.schema, &loaded.encoders, &loaded.normalizer, &MissingPolicy::default());
    let mut raw = RawRows::new(Arc::new(encoder.unwrap()));
    for _ in 0..2 {
        raw.push([("user", "stranger".into()), ("seen", "5 b".into())]).unwrap();
        raw.push([("user", "ann".into())]).unwrap();
        assert!(raw.push([("user", "bob".into()), ("seen", "5  b".into())]).is_err());
        raw.push([("user", u64::MAX.into()), ("seen", "9007199254740993".into())]).unwrap();
        assert_eq!(keys(&raw.fields()[0]), keys(&valid[0]));
        assert_eq!(keys(&raw.fields()[1]), keys(&valid[1]));
        raw.clear();
    }
}

#[test]
fn a_side_table_may_feed_a_table_that_grows() {
    let files = Files::with("rows.csv", "l,user\n1,7\n0,8\n1,9\n0,7\n");
    files.write("users.csv", "user,city\n7,Rome\n8,Oslo\n");
    let text = "
csv: {train: DIR/rows.csv, valid: DIR/rows.csv, features: none}
fields: [{column: city, encode: {growing: {capacity: 10}}}, {column: user, table: city}]
join: [{file: DIR/users.csv, key: user}]
";
    let loaded = load(&section(&files, text), &[label("l", "l")]).unwrap();
    for field in 0..2 {
        let (train, valid) = (&loaded.train.fields()[field], &loaded.valid.as_ref().unwrap().fields()[field]);
        assert_eq!(keys(train), keys(valid));
    }
    assert_eq!(keys(&loaded.train.fields()[1]), [Some(7), Some(8), Some(9), Some(7)]);
    assert_eq!(keys(&loaded.train.fields()[0])[2], None);
}

#[test]
fn numbers_of_a_table_that_grows_are_checked() {
    let refused = |growing: &str| {
        let text = format!("csv: {{train: a}}\nfields: [{{column: a, encode: {{growing: {growing}}}}}]");
        let data: DataConfig = serde_yaml::from_str(&text).map_err(|error| error.to_string())?;
        data.check().map_err(|error| error.to_string())
    };
    assert_eq!(refused("{capacity: 5, admit: 3, ttl: 9}"), Ok(()));
    let message = |growing: &str| refused(growing).unwrap_err();
    assert!(
        message("{capacity: 0}").contains("data.fields[0].encode.growing.capacity"),
        "{}",
        message("{capacity: 0}")
    );
    assert!(message("{capacity: 5, admit: 0}").contains("growing.admit"));
    assert!(message("{capacity: 5, ttl: 0}").contains("growing.ttl"));
    assert!(message("{admit: 2}").contains("missing field `capacity`"));
    assert!(message("{capacity: 5, evict: lru}").contains("unknown field `evict`"));
}
