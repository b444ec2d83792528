//! The model card: what a stranger needs to know about a bundle.

use std::fmt::Write;

use mt_bundle::{Predictor, Signature, TableFormat};
use mt_models::{Link, Task, TaskKind, count, inventory};
use mt_train::{Config, Evaluation};

use crate::report::{Grid, WEIGHTED, metric_grids, thousands};

/// What the bundle predicts on rows set aside, and the checkpoint it is from.
pub struct Quality {
    pub rows: String,
    pub before: Evaluation,
    pub after: Evaluation,
}

/// The card in Markdown.
pub fn text(
    cfg: &Config,
    predictor: &Predictor,
    epoch: Option<usize>,
    tables: TableFormat,
    quality: Option<&Quality>,
) -> String {
    let signature = predictor.signature();
    let schema = &signature.schema;
    let predicted = schema.predicted();
    let tasks: Vec<&str> = predicted.iter().map(|task| task.name.as_str()).collect();
    let parameters = signature
        .model
        .inputs(schema)
        .and_then(|inputs| inventory(&signature.model, inputs, &schema.heads()));
    let mut text = format!("# {}\n\n", cfg.name);
    // Writing to a string does not fail.
    let mut line = |line: String| {
        let _ = writeln!(text, "{line}");
    };
    line(format!("Predicts {} with a network of kind {}.\n", tasks.join(", "), signature.model.kind));
    let mut facts = Grid::new(["fact", "value"]);
    let mut fact = |name: &str, value: String| facts.rows.push(vec![name.to_owned(), value]);
    fact("numeric columns", thousands(schema.numeric.len()));
    fact("fields", thousands(schema.fields.len()));
    fact("parameters", parameters.map_or_else(|_| "-".into(), |parameters| thousands(count(&parameters))));
    for computed in &schema.computed {
        fact(&format!("input {}", computed.name), format!("computed: `{}`", computed.value));
    }
    for table in &signature.encoders.tables {
        fact(&format!("rows of table {}", table.name), thousands(table.encoder.rows()));
    }
    if !schema.fields.is_empty() {
        fact("values of tables", format!("{tables:?}").to_lowercase());
    }
    fact("epoch", epoch.map_or_else(|| "not a whole one".into(), |epoch| epoch.to_string()));
    fact("seed", signature.seed.to_string());
    for task in schema.tasks.iter().filter(|task| task.kind.is_regression()) {
        fact(&format!("prediction of {}", task.name), regression(signature, task));
    }
    for task in &schema.tasks {
        if let Some(product) = &task.prediction {
            fact(&format!("prediction of {}", task.name), format!("`{product}`"));
        }
    }
    match (cfg.data.row_files(), &cfg.data.synth) {
        (Some(files), _) => {
            let files = [("training", Some(files.train)), ("validation", files.valid), ("test", files.test)];
            for (what, files) in files {
                if let Some(files) = files {
                    fact(&format!("{what} files"), format!("`{}`", files.0.join("`, `")));
                }
            }
        }
        (None, Some(synth)) => fact("training rows", format!("{} generated", thousands(synth.rows))),
        (None, None) => {}
    }
    for join in &cfg.data.join {
        fact("side table", format!("`{}` by `{}`", join.file.display(), join.key));
        for list in &join.lists {
            let (column, key, file) = (&list.column, &list.key, list.file.display());
            for (name, take) in &list.take {
                fact(
                    &format!("list {name}"),
                    format!("`{take}` of each `{column}`, from `{file}` by `{key}`"),
                );
            }
        }
    }
    if let Some(split) = &cfg.data.split {
        for (what, rule) in [("validation rows", &split.valid), ("test rows", &split.test)] {
            if let Some(rule) = rule {
                fact(what, format!("`{rule}`"));
            }
        }
    }
    line(facts.markdown() + "\n");
    if let Some(Quality { rows, after, .. }) = quality {
        line(format!("## Metrics on the {rows} rows\n"));
        for grid in metric_grids(after) {
            line(grid.markdown() + "\n");
        }
        if after.weighted() {
            line(format!("The {WEIGHTED}.\n"));
        }
    }
    line("## Use\n".to_owned());
    line(
        "`config.yaml` is all of the configuration it was trained with. To predict rows of a file:\n"
            .to_owned(),
    );
    line("```bash\nmt predict --bundle . --input rows.csv\n```\n".to_owned());
    line("To predict raw values in a program, add the crate `mt-models`:\n".to_owned());
    line(RUST.to_owned());
    text
}

/// What the prediction of a regression is, and the scale it was learned on.
fn regression(signature: &Signature, task: &Task) -> String {
    let target = signature.targets.get(&task.name);
    let smearing = target.map_or(1.0, |target| target.smearing);
    let what = match signature.links.get(&task.name).copied().unwrap_or_default() {
        Link::Identity if matches!(task.kind, TaskKind::Ordinal { .. }) => {
            return "the mean label, restored from how likely it is above each of its thresholds".to_owned();
        }
        Link::Identity => "the label".to_owned(),
        Link::Exp if task.kind == TaskKind::ZeroInflated => {
            format!("the mean label, `{smearing:.4} p e^(μ + σ²/2)`")
        }
        Link::Exp => "the mean label, as odds".to_owned(),
        Link::ExpM1 if smearing == 1.0 => {
            "`e^u - 1`, nearer to the label's median than to its mean".to_owned()
        }
        Link::ExpM1 => format!("the mean label, `{smearing:.4} e^u - 1`"),
    };
    match target {
        Some(target) => format!("{what}; learned as (· - {:.6}) / {:.6}", target.mean, target.sd),
        None => what,
    }
}

const RUST: &str = "\
```rust
let predictor = mt_bundle::Predictor::load(\"bundle\".as_ref(), &candle_core::Device::Cpu)?;
let mut rows = predictor.rows();
rows.push([(\"column\", 17.into())])?;
println!(\"{:?}\", predictor.predict_rows(&rows)?.task(0, \"task\"));
```";
