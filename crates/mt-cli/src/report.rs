//! Tables for the terminal, Markdown and CSV from one description.

use std::fmt::Write;

use comfy_table::{CellAlignment, ContentArrangement, Table, TableStyle, presets};
use mt_train::{Evaluation, Metrics};

/// A table of text: the first column is a name, the others numbers.
pub struct Grid {
    pub header: Vec<String>,
    pub rows: Vec<Vec<String>>,
}

impl Grid {
    /// A table with these column names.
    pub fn new(header: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { header: header.into_iter().map(Into::into).collect(), rows: Vec::new() }
    }

    /// Whether a column holds names, which stand on the left.
    pub fn is_name(&self, column: usize) -> bool {
        column == 0 || matches!(self.header[column].as_str(), "task" | "holds" | "most often")
    }

    fn table(&self, style: TableStyle) -> Table {
        let mut table = Table::new();
        table.load_style(style).set_content_arrangement(ContentArrangement::Disabled);
        table.set_header(&self.header);
        for row in &self.rows {
            table.add_row(row);
        }
        for (i, column) in table.column_iter_mut().enumerate() {
            column.set_cell_alignment(match self.is_name(i) {
                true => CellAlignment::Left,
                false => CellAlignment::Right,
            });
        }
        table
    }

    /// For a terminal.
    pub fn text(&self) -> String {
        self.table(presets::UTF8_FULL_CONDENSED).to_string()
    }

    /// As Markdown.
    pub fn markdown(&self) -> String {
        self.table(presets::ASCII_MARKDOWN).to_string()
    }

    /// As CSV.
    pub fn csv(&self) -> String {
        let mut text = String::new();
        for row in std::iter::once(&self.header).chain(&self.rows) {
            let quoted = |cell: &String| match cell.contains([',', '"', '\n']) {
                true => format!("\"{}\"", cell.replace('"', "\"\"")),
                false => cell.clone(),
            };
            let _ = writeln!(text, "{}", row.iter().map(quoted).collect::<Vec<_>>().join(","));
        }
        text
    }
}

/// A number with `digits` decimals, or `-` where it is undefined.
pub fn number(x: Option<f64>, digits: usize) -> String {
    x.map_or_else(|| "-".into(), |x| format!("{x:.digits$}"))
}

/// A number with the four digits that matter, and no zeros at its end.
pub fn short(x: f64) -> String {
    let digits = match x.abs() {
        a if a >= 1000.0 || a == 0.0 => 0,
        a => (3 - a.log10().floor() as i32).clamp(0, 8) as usize,
    };
    let text = format!("{x:.digits$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

/// A p-value, or nothing where nothing was tested.
pub fn p_value(p: Option<f64>) -> String {
    match p {
        Some(p) if p < 0.0001 => "< 0.0001".into(),
        Some(p) => format!("{p:.4}"),
        None => String::new(),
    }
}

/// A count with thousands separators.
pub fn thousands(n: usize) -> String {
    let digits = n.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().filter_map(|g| std::str::from_utf8(g).ok()).collect();
    groups.join(",")
}

/// Said wherever metrics are weighted.
pub const WEIGHTED: &str = "metrics are weighted by data.weight; rows and positives are counted";

/// The metrics of an evaluation for a terminal, see [`metric_grids`].
pub fn metrics(evaluation: &Evaluation) -> String {
    let grids = metric_grids(evaluation);
    let weighted = evaluation.weighted().then(|| WEIGHTED.to_owned());
    grids.iter().map(Grid::text).chain(weighted).collect::<Vec<_>>().join("\n")
}

/// The metrics of an evaluation, a row a task: a table for each kind of task there is.
pub fn metric_grids(evaluation: &Evaluation) -> Vec<Grid> {
    let grouped = evaluation.tasks.iter().any(|(_, task)| task.gauc.is_some());
    let mut header = vec!["task", "rows", "positives", "AUC", "± se"];
    header.extend(grouped.then_some("GAUC"));
    header.extend(["PR-AUC", "log loss", "norm. entropy", "calibration", "accuracy"]);
    let mut binary = Grid::new(header);
    let mut classes = Grid::new(["task", "rows", "classes", "mean AUC", "log loss", "accuracy"]);
    let mut numbers = Grid::new([
        "task",
        "rows",
        "mean target",
        "mean prediction",
        "calibration",
        "RMSE",
        "MAE",
        "XAUC",
        "Gini",
    ]);
    for (name, task) in &evaluation.tasks {
        let everywhere = task.everywhere.map(|metrics| (format!("{name}, all labelled rows"), metrics, None));
        for (name, metrics, gauc) in [(name.clone(), task.metrics, task.gauc)].into_iter().chain(everywhere) {
            match metrics {
                Metrics::Binary(m) => {
                    let mut cells = vec![
                        name,
                        thousands(m.rows),
                        thousands(m.positives),
                        number(m.auc, 5),
                        number(m.auc_se, 5),
                    ];
                    cells.extend(grouped.then(|| number(gauc.and_then(|gauc| gauc.value), 5)));
                    cells.extend([
                        number(m.pr_auc, 4),
                        number(m.log_loss, 5),
                        number(m.normalised_entropy, 4),
                        number(m.calibration, 3),
                        number(m.accuracy, 4),
                    ]);
                    binary.rows.push(cells);
                }
                Metrics::Multiclass(m) => classes.rows.push(vec![
                    name,
                    thousands(m.rows),
                    m.classes.to_string(),
                    number(m.macro_auc, 5),
                    number(m.log_loss, 5),
                    number(m.accuracy, 4),
                ]),
                Metrics::Regression(m) => numbers.rows.push(vec![
                    name,
                    thousands(m.count),
                    number(m.mean_target, 4),
                    number(m.mean_prediction, 4),
                    number(m.calibration, 3),
                    number(m.rmse, 4),
                    number(m.mae, 4),
                    number(m.xauc, 5),
                    number(m.gini, 5),
                ]),
            }
        }
    }
    [binary, classes, numbers].into_iter().filter(|grid| !grid.rows.is_empty()).collect()
}
