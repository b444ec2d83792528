//! `mt explain`: permutation importance (Breiman 2001, "Random Forests", section 10) by task.

mod feature;

use std::collections::BTreeMap;

use anyhow::Result;
use mt_features::permutation;
use mt_features::{Table, Task, TaskKind};
use mt_metrics::{auc, multiclass_summary, xauc};
use mt_models::Registry;
use mt_train::Scored;
use rayon::prelude::*;
use serde::Serialize;

use self::feature::{Feature, features};
use crate::args::ExplainArgs;
use crate::progress::Bar;
use crate::report::{Grid, number, thousands};
use crate::source::Part;
use crate::{device, print, source};

/// Columns shown without `--all`: a screen of them.
const SHOWN: usize = 20;

/// What a task loses without the values of a feature.
#[derive(Debug, Clone, Copy, Serialize)]
struct Drop {
    /// Mean over the shuffles.
    mean: Option<f64>,
    /// Sample deviation between the shuffles; `None` for a single one.
    sd: Option<f64>,
}

/// A feature and what it is worth.
#[derive(Debug, Serialize)]
struct Importance {
    name: String,
    kind: &'static str,
    tasks: BTreeMap<String, Drop>,
}

/// All of them; as JSON what is printed.
#[derive(Debug, Serialize)]
struct Explanation {
    name: String,
    on: String,
    rows: usize,
    repeats: u32,
    seed: u64,
    /// The metric of each task on rows as they are.
    metric: BTreeMap<String, Option<f64>>,
    /// Features with the same value in all rows, which cannot be shuffled.
    constant: Vec<String>,
    /// Those that matter most first.
    features: Vec<Importance>,
}

pub fn run(args: &ExplainArgs, registry: &Registry) -> Result<()> {
    let device = device::device(&args.device.device)?;
    let (cfg, dir) = source::model(&args.model, &args.checkpoint, "mt explain", registry)?;
    let predictor = source::predictor(&dir, &device, registry)?;
    let schema = &predictor.signature().schema;
    let (on, table) =
        source::evaluation(&cfg, (&dir, predictor.signature()), args.data.as_deref(), Part::Valid)?;
    let table = match args.rows.map(|rows| rows.get()) {
        Some(rows) if rows < table.len() => {
            // A stream that no shuffle has.
            let mut taken = permutation(table.len() as u32, args.seed, u64::MAX);
            taken.truncate(rows);
            taken.sort_unstable();
            table.take(&taken)
        }
        _ => table,
    };
    let base = source::predict(&predictor, &table)?;
    let metrics = rankings(&base, &table, &schema.tasks);
    let features = features(schema, args.group);
    let bar = Bar::count("explaining", features.len(), args.json);
    let drops = |(f, feature): (usize, &Feature)| -> Result<Option<Vec<Drop>>> {
        let values = feature.values(&table);
        if values.is_constant() {
            return Ok(None);
        }
        let mut drops = vec![Vec::new(); metrics.len()];
        for repeat in 0..args.repeats.get() as usize {
            let stream = (repeat * features.len() + f) as u64;
            let sources = permutation(table.len() as u32, args.seed, stream);
            let predictions = values.predict_shuffled(&predictor, &table, &sources, &base)?;
            let shuffled = rankings(&predictions, &table, &schema.tasks);
            for ((drops, before), after) in drops.iter_mut().zip(&metrics).zip(shuffled) {
                drops.extend(before.zip(after).map(|(before, after)| before - after));
            }
        }
        Ok(Some(drops.iter().map(|drops| Drop::of(drops)).collect()))
    };
    let counted = |feature| {
        let drops = drops(feature);
        bar.step();
        drops
    };
    let drops: Vec<Option<Vec<Drop>>> =
        features.par_iter().enumerate().map(counted).collect::<Result<_>>()?;
    bar.finish();
    let by_task = |drops: Vec<Drop>| schema.tasks.iter().map(|task| task.name.clone()).zip(drops).collect();
    let (mut worth, mut constant) = (Vec::new(), Vec::new());
    for (feature, drops) in features.into_iter().zip(drops) {
        match drops {
            Some(drops) => {
                worth.push(Importance { kind: feature.kind(), name: feature.name, tasks: by_task(drops) });
            }
            None => constant.push(feature.name),
        }
    }
    // Stable, so that equal ones stand in the order of the columns.
    worth.sort_by(|a, b| b.total().total_cmp(&a.total()));
    let explanation = Explanation {
        name: cfg.name.clone(),
        on,
        rows: table.len(),
        repeats: args.repeats.get(),
        seed: args.seed,
        metric: schema.tasks.iter().map(|task| task.name.clone()).zip(metrics).collect(),
        constant,
        features: worth,
    };
    match args.json {
        true => print::line(serde_json::to_string(&explanation)?),
        false => print::line(explanation.text(&schema.tasks, if args.all { usize::MAX } else { SHOWN })),
    }
}

/// How well each task's rows are ranked, by weight: AUC, mean AUC of the classes, XAUC.
fn rankings(predictions: &[f32], table: &Table, tasks: &[Task]) -> Vec<Option<f64>> {
    let ranking = |(t, task): (usize, &Task)| {
        let rows = Scored::new(predictions, table, tasks, t, table.mask());
        let (predictions, labels, weights) = (&rows.predictions, &rows.labels, rows.weights.as_deref());
        match task.kind {
            TaskKind::Binary | TaskKind::BinarySoftmax => auc(predictions, labels, weights),
            TaskKind::Multiclass { classes } => {
                multiclass_summary(predictions, labels, classes as usize, weights).macro_auc
            }
            TaskKind::Regression | TaskKind::ZeroInflated | TaskKind::Ordinal { .. } => {
                xauc(predictions, labels, weights)
            }
        }
    };
    tasks.iter().enumerate().map(ranking).collect()
}

impl Drop {
    fn of(drops: &[f64]) -> Self {
        let n = drops.len() as f64;
        let mean = (n > 0.0).then(|| drops.iter().sum::<f64>() / n);
        let variance = |mean: f64| drops.iter().map(|drop| (drop - mean).powi(2)).sum::<f64>() / (n - 1.0);
        Self { mean, sd: mean.filter(|_| n > 1.0).map(|mean| variance(mean).sqrt()) }
    }
}

impl Importance {
    /// Over all tasks; what is undefined counts nothing.
    fn total(&self) -> f64 {
        self.tasks.values().filter_map(|drop| drop.mean).sum()
    }
}

impl Explanation {
    fn text(&self, tasks: &[Task], shown: usize) -> String {
        let names = || tasks.iter().map(|task| &task.name);
        let header = ["column".to_owned()].into_iter();
        let mut grid =
            Grid::new(header.chain(names().flat_map(|name| [format!("{name} loses"), "± sd".into()])));
        for Importance { name, kind, tasks } in self.features.iter().take(shown) {
            let mut cells = vec![if *kind == "column" { name.clone() } else { format!("{name} ({kind})") }];
            for task in names() {
                cells.extend([number(tasks[task].mean, 5), number(tasks[task].sd, 5)]);
            }
            grid.rows.push(cells);
        }
        let metric: Vec<String> =
            names().map(|name| format!("{name} {}", number(self.metric[name], 5))).collect();
        let mut text = format!(
            "{} on {} {} rows: {}\n{}",
            self.name,
            thousands(self.rows),
            self.on,
            metric.join(", "),
            grid.text()
        );
        if let Some(more @ 1..) = self.features.len().checked_sub(grid.rows.len()) {
            text += &format!("\nand {} more; --all prints them", thousands(more));
        }
        if !self.constant.is_empty() {
            let count = thousands(self.constant.len());
            text += &format!("\nleft out, as their values do not differ: {count} columns");
        }
        text
    }
}
