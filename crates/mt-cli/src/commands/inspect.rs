//! `mt inspect`.

use anyhow::Result;
use candle_core::Device;
use mt_bundle::{Check, Manifest, Predictor, TableRows, Whole};
use mt_data::Dataset;
use mt_features::{Schema, Task};
use mt_models::{ModelConfig, Registry, count, inventory};
use mt_train::{Config, OffPath, Paths, RunDir, paths};

use crate::args::{InspectArgs, Usage};
use crate::report::{Grid, thousands};
use crate::{print, source};

pub fn run(args: &InspectArgs, registry: &Registry) -> Result<()> {
    let mut check = None;
    let (cfg, model, schema, tables) = if args.what.is_dir() {
        if !args.overrides.set.is_empty() {
            let what = if Manifest::find(&args.what)?.is_some() { "bundle" } else { "run" };
            let text = format!("--set changes a configuration; {} is a {what}", args.what.display());
            return Err(Usage(text).into());
        }
        let (cfg, dir) = match Manifest::find(&args.what)? {
            Some(manifest) => {
                manifest.verify(&args.what)?;
                check = Predictor::load_with(&args.what, &Device::Cpu, registry)?.check().cloned();
                source::bundle(&args.what, registry)?
            }
            None => {
                let (run, cfg) = RunDir::open_with(&args.what, registry)?;
                (cfg, source::checkpoints(&run, "best")?.swap_remove(0).1)
            }
        };
        let whole = Whole::of(&dir)?;
        let signature = source::signature(whole.path(), registry)?;
        let tables = TableRows::of(whole.path(), &signature)?;
        (cfg, signature.model, signature.schema, tables)
    } else {
        let cfg = Config::read_with(&args.what, &args.overrides.set, registry)?;
        let schema = Dataset::schema(&cfg.data, &cfg.tasks)?;
        let model = cfg.sized_model(cfg.model.inputs(&schema)?, &schema.heads())?;
        (cfg, model, schema, Vec::new())
    };
    if let (Some(check), false) = (&check, args.json) {
        print::note(format_args!("{}: {check}", args.what.display()));
    }
    if args.paths {
        return show_paths(&paths(&cfg, &model, &schema)?, args.json);
    }
    show(&cfg.name, &model, &schema, &tables, check.as_ref(), args.json)
}

/// What leaves the fast path.
fn show_paths(paths: &Paths, json: bool) -> Result<()> {
    if json {
        return print::line(serde_json::to_string(paths)?);
    }
    for (when, off) in [("training", &paths.training), ("prediction", &paths.prediction)] {
        if off.is_empty() {
            print::line(format_args!("{when}: all layers are fused"))?;
        }
        for OffPath { layer, why } in off {
            print::line(format_args!("{when}: {layer}: {why}"))?;
        }
    }
    Ok(())
}

fn show(
    name: &str,
    model: &ModelConfig,
    schema: &Schema,
    tables: &[TableRows],
    check: Option<&Check>,
    json: bool,
) -> Result<()> {
    let inputs = model.inputs(schema)?;
    let parameters = inventory(model, &inputs, &schema.heads())?;
    let inputs = inputs.width();
    let total = count(&parameters);
    if json {
        let shapes: serde_json::Map<_, _> =
            parameters.iter().map(|(name, shape)| (name.clone(), shape.dims().into())).collect();
        let value = serde_json::json!({
            "name": name, "model": model, "inputs": inputs, "tasks": schema.tasks,
            "parameters": total, "shapes": shapes, "tables": tables, "check": check,
        });
        return print::line(value);
    }
    let shown = |task: &Task| match &task.prediction {
        Some(product) => format!("{} = {product}", task.name),
        None => task.name.clone(),
    };
    let tasks: Vec<String> = schema.tasks.iter().map(shown).collect();
    print::line(format_args!("{name}: {}, {inputs} inputs, tasks {}", model.kind, tasks.join(", ")))?;
    let mut grid = Grid::new(["parameter", "shape", "values"]);
    for (name, shape) in &parameters {
        let dims: Vec<String> = shape.dims().iter().map(ToString::to_string).collect();
        grid.rows.push(vec![name.clone(), dims.join(" x "), thousands(shape.elem_count())]);
    }
    print::line(format_args!("{}\n{} parameters", grid.text(), thousands(total)))?;
    for TableRows { table, rows, trained, width, bytes, grows, .. } in tables {
        let grows = if *grows { ", grows" } else { "" };
        let [rows, trained, bytes] = [rows, trained, bytes].map(|n| thousands(*n));
        print::line(format_args!(
            "table {table}: {trained} of {rows} rows trained, {width} values each, {bytes} bytes{grows}"
        ))?;
    }
    Ok(())
}
