//! What is printed is what is read, however it is printed, cut into blocks or spread over threads.

use mt_data::{DataConfig, Paths, TableReader};
use mt_features::Table;
use proptest::prelude::*;

use crate::support::{Files, headerless, join, label_at, values};

/// How a number is written.
#[derive(Debug, Clone, Copy)]
enum Style {
    Plain,
    Exponent,
    Quoted,
    Blanks,
}

fn number() -> impl Strategy<Value = f32> {
    prop_oneof![
        8 => Just(0.0f32),
        3 => Just(1.0f32),
        2 => (0u8..=12).prop_map(f32::from),
        1 => any::<f32>().prop_filter("finite", |x| x.is_finite()),
        1 => (-1_000_000i32..1_000_000).prop_map(|x| x as f32 / 100.0),
    ]
}

fn style() -> impl Strategy<Value = Style> {
    prop_oneof![
        20 => Just(Style::Plain),
        1 => Just(Style::Exponent),
        1 => Just(Style::Quoted),
        1 => Just(Style::Blanks),
    ]
}

fn print(value: f32, style: Style) -> String {
    match style {
        Style::Plain => format!("{value}"),
        Style::Exponent => format!("{value:e}"),
        Style::Quoted => format!("\"{value}\""),
        Style::Blanks => format!("  {value}\t"),
    }
}

/// Rows of cells, the first column being the label.
fn rows() -> impl Strategy<Value = Vec<Vec<(f32, Style)>>> {
    (1usize..90, 1usize..12).prop_flat_map(|(width, rows)| {
        let cell = (number(), style());
        let label = (prop_oneof![Just(0.0f32), Just(1.0f32)], style());
        let row = (label, proptest::collection::vec(cell, width));
        let row = row.prop_map(|(label, cells)| std::iter::once(label).chain(cells).collect());
        proptest::collection::vec(row, rows)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn printed_rows_read_back(rows in rows(), crlf: bool, last_line_end: bool, block in 1usize..400) {
        let line_end = if crlf { "\r\n" } else { "\n" };
        let line = |row: &Vec<(f32, Style)>| {
            row.iter().map(|&(value, style)| print(value, style)).collect::<Vec<_>>().join(",")
        };
        let mut text = rows.iter().map(line).collect::<Vec<_>>().join(line_end);
        if last_line_end {
            text += line_end;
        }
        let files = Files::with("a.csv", &text);
        let paths = Paths::from(files.path("a.csv"));
        let (csv, tasks) = (headerless(paths.clone()), [label_at("l", 0)]);
        let whole = join(TableReader::open_training(&paths, &csv, &tasks).unwrap()).unwrap();
        let expected: Vec<f32> = rows.iter().flat_map(|row| row[1..].iter().map(|&(x, _)| x)).collect();
        let labels: Vec<f32> = rows.iter().map(|row| row[0].0).collect();
        // Bits, except that -0 reads as 0.
        let bits = |x: &[f32]| x.iter().map(|x| (x + 0.0).to_bits()).collect::<Vec<_>>();
        prop_assert_eq!(bits(&values(&whole)), bits(&expected));
        prop_assert_eq!(whole.labels(), &labels[..]);
        let blocks = join(TableReader::open_blocks(&paths, &DataConfig::files(csv.clone()), &tasks, block).unwrap()).unwrap();
        prop_assert_eq!(values(&blocks), values(&whole));
        prop_assert_eq!(blocks.labels(), whole.labels());
    }
}

#[test]
fn the_number_of_threads_changes_neither_rows_nor_the_first_error() {
    let row = |i: u32| format!("{},{},0,0,0,{}\n", i % 2, i % 7, f64::from(i) / 8.0);
    let good: String = (0..5000).map(row).collect();
    let bad = good.replace(",0,0,0,250\n", ",0,x,0,250\n").replace(",0,0,0,500\n", ",0,y,0,500\n");
    let files = Files::with("good.csv", good);
    files.write("bad.csv", bad);
    let read = |threads: usize, name: &str| -> mt_data::Result<Table> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let paths = Paths::from(files.path(name));
        pool.install(|| {
            let csv = headerless(paths.clone());
            join(TableReader::open_blocks(
                &paths,
                &DataConfig::files(csv.clone()),
                &[label_at("l", 0)],
                1000,
            )?)
        })
    };
    assert_eq!(read(1, "good.csv").unwrap(), read(2, "good.csv").unwrap());
    let error = |threads| files.message(&read(threads, "bad.csv").unwrap_err());
    assert_eq!(error(1), "bad.csv:2001:7: field \"column 3\": expected a number, found \"x\" (record 2001)");
    assert_eq!(error(1), error(2));
}
