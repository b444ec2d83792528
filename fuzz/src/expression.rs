//! Expressions: final scores over predictions, labels over the cells of a file.

use mt_data::{ColumnRef, DataConfig, Dataset, Formula, TaskConfig};

const ROWS: &str = "a,b,tab.1\n1,x,0\n0,50000+.,3.5\n18446744073709551615,,-1e-3\n";

/// Reads an expression in both of its places, and computes it.
pub fn expression(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else { return false };
    let names = ["a", "b", "tab.1"].map(str::to_owned);
    let score = Formula::parse(text, &names).map(|score| {
        for row in [[0.5, 0.25, -0.0], [f32::MAX, f32::MIN_POSITIVE, f32::NAN], [-1.0, f32::INFINITY, 1.0]] {
            assert!(score.eval(&row).is_none_or(f64::is_finite));
        }
    });
    score.is_ok() | label(text)
}

fn label(text: &str) -> bool {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("rows");
    std::fs::write(&file, ROWS).expect("written");
    let section = format!("{{csv: {{train: {}, features: none}}, fields: [{{column: a}}]}}", file.display());
    let config: DataConfig = serde_yaml::from_str(&section).expect("a section");
    let task = TaskConfig {
        kind: mt_data::TaskKind::Regression,
        ..TaskConfig::new("label", ColumnRef::Name(text.to_owned()))
    };
    Dataset::load(&config, &[task], &|_| ()).is_ok()
}
