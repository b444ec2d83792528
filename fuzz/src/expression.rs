//! Expressions: final scores over predictions, labels and inputs over the cells of a file.

use mt_data::{DataConfig, Dataset};
use mt_features::{ColumnRef, Computed, FieldConfig, Formula, TaskConfig};

const ROWS: &str = "a,b,tab.1,label,t,h\n1,x,0,1,2026-03-07 14:00:00+08:00,x|1\n0,50000+.,3.5,0,1772892000123,\n\
                    18446744073709551615,,-1e-3,1,20260307,a|b\n";

/// Reads an expression in all of its places, and computes it.
pub fn expression(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else { return false };
    let names = ["a", "b", "tab.1"].map(str::to_owned);
    let score = Formula::parse(text, &names).map(|score| {
        for row in [[0.5, 0.25, -0.0], [f32::MAX, f32::MIN_POSITIVE, f32::NAN], [-1.0, f32::INFINITY, 1.0]] {
            assert!(score.eval(&row).is_none_or(f64::is_finite));
        }
    });
    score.is_ok() | label(text) | input(text)
}

fn label(text: &str) -> bool {
    let task = TaskConfig {
        kind: mt_features::TaskKind::Regression,
        ..TaskConfig::new("label", ColumnRef::Name(text.to_owned()))
    };
    load(&task, |_| ())
}

/// As a field and as a number.
fn input(text: &str) -> bool {
    let task = TaskConfig::new("label", ColumnRef::Name("label".to_owned()));
    let field = load(&task, |data| data.fields.push(FieldConfig::computed("input", text)));
    let number = Computed { name: "input".to_owned(), value: text.to_owned() };
    field | load(&task, |data| data.numbers.push(number))
}

fn load(task: &TaskConfig, change: impl FnOnce(&mut DataConfig)) -> bool {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("rows");
    std::fs::write(&file, ROWS).expect("written");
    let section = format!(
        "{{csv: {{train: {}, features: none}}, numeric_missing: zero, fields: [{{column: a}}, {{column: h, separator: '|'}}]}}",
        file.display()
    );
    let mut config: DataConfig = serde_yaml::from_str(&section).expect("a section");
    change(&mut config);
    Dataset::load(&config, std::slice::from_ref(task), &|_| ()).is_ok()
}
