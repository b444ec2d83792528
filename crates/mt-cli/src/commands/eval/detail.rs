//! What `mt eval` tells beyond the usual metrics, if asked: NDCG within groups, calibration bin by bin.

use std::num::NonZeroUsize;

use anyhow::{Result, bail};
use mt_features::{Table, Task, TaskKind};
use mt_metrics::{
    CALIBRATION_BINS, CalibrationTable, GroupNdcg, RegressionBin, calibration_table, ndcg, regression_table,
};
use mt_train::Scored;
use serde::{Serialize, Serializer};

use crate::report::{Grid, number, thousands};

/// By task, those asked for.
#[derive(Debug, Serialize)]
pub struct Details {
    /// NDCG@k within the groups of `data.group`; of binary tasks and regressions.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "by_name")]
    ndcg: Option<Vec<(String, GroupNdcg)>>,
    /// Predicted against observed, in bins of equally many rows, or equal weight.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "by_name")]
    calibration: Option<Vec<(String, Calibration)>>,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Calibration {
    Binary(CalibrationTable),
    Regression { bins: Vec<RegressionBin> },
}

fn by_name<T: Serialize, S: Serializer>(
    tasks: &Option<Vec<(String, T)>>,
    serializer: S,
) -> std::result::Result<S::Ok, S::Error> {
    serializer.collect_map(tasks.iter().flatten().map(|(name, of_task)| (name, of_task)))
}

impl Details {
    /// Of predictions `(B, P)` of the rows of a table.
    pub fn new(
        predictions: &[f32],
        table: &Table,
        tasks: &[Task],
        k: Option<NonZeroUsize>,
        calibration: bool,
    ) -> Result<Self> {
        if k.is_some() && table.groups().is_none() {
            bail!(
                "NDCG is taken within groups, and the rows have none: set data.group to a column such as user_id"
            )
        }
        let mut details = Self { ndcg: k.map(|_| Vec::new()), calibration: calibration.then(Vec::new) };
        for (t, task) in tasks.iter().enumerate().filter(|(_, task)| classless(task.kind)) {
            let rows = Scored::new(predictions, table, tasks, t, table.mask());
            let (predictions, labels, weights) = (&rows.predictions, &rows.labels, rows.weights.as_deref());
            if let (Some(k), Some(groups), Some(all)) = (k, &rows.groups, &mut details.ndcg) {
                all.push((task.name.clone(), ndcg(predictions, labels, groups, k.get(), weights)));
            }
            if let Some(all) = &mut details.calibration {
                let of_task = match task.kind {
                    TaskKind::Regression | TaskKind::ZeroInflated | TaskKind::Ordinal { .. } => {
                        Calibration::Regression {
                            bins: regression_table(predictions, labels, CALIBRATION_BINS, weights),
                        }
                    }
                    _ => {
                        Calibration::Binary(calibration_table(predictions, labels, CALIBRATION_BINS, weights))
                    }
                };
                all.push((task.name.clone(), of_task));
            }
        }
        Ok(details)
    }

    /// As tables for a terminal.
    pub fn text(&self) -> String {
        let mut grids = Vec::new();
        if let Some(all) = &self.ndcg {
            let k = all.first().map_or(0, |(_, ndcg)| ndcg.k);
            let mut grid =
                Grid::new(["task".to_owned(), format!("NDCG@{k}"), "groups".into(), "skipped".into()]);
            grid.rows.extend(all.iter().map(|(name, ndcg)| {
                let (groups, skipped) = (thousands(ndcg.groups), thousands(ndcg.skipped));
                vec![name.clone(), number(ndcg.value, 5), groups, skipped]
            }));
            grids.push(grid);
        }
        for (name, of_task) in self.calibration.iter().flatten() {
            let observed = match of_task {
                Calibration::Binary(_) => "observed rate",
                Calibration::Regression { .. } => "mean target",
            };
            let mut grid = Grid::new(["task", "rows", "mean prediction", observed]);
            let mut push = |name: &str, rows: usize, predicted: f64, observed: f64| {
                let numbers = [predicted, observed].map(|x| number(Some(x), 5));
                grid.rows.push([vec![name.to_owned(), thousands(rows)], numbers.to_vec()].concat());
            };
            match of_task {
                Calibration::Binary(table) => table
                    .bins
                    .iter()
                    .for_each(|bin| push(name, bin.count, bin.mean_prediction, bin.observed_rate)),
                Calibration::Regression { bins } => {
                    bins.iter().for_each(|bin| push(name, bin.count, bin.mean_prediction, bin.mean_target));
                }
            }
            grids.push(grid);
        }
        grids.iter().map(|grid| format!("\n{}", grid.text())).collect()
    }
}

fn classless(kind: TaskKind) -> bool {
    !matches!(kind, TaskKind::Multiclass { .. })
}
