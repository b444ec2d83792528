//! A network of one's own: cross-stitch units (I. Misra et al., *Cross-stitch Networks for Multi-task Learning*, CVPR 2016), which the
//! workspace's own trainer trains, stops and resumes, balances, and exports as a bundle and as ONNX.
//!
//! `y_t = tower_t(f_t(x) + Σ_s δ_ts f_s(x))`: each task has a bottom of its own, and learns what to take of the others'.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use candle_core::{Device, Tensor};
use candle_nn::VarBuilder;
use mt_layers::{Bank, Columns, Initializer, Input, Run, TableFormat};
use mt_models::{Architecture, Export, Facts, Graph, Predictor, Registry, Section, Sizes, Trunk};
use mt_train::{Config, Event, RunDir, load, train};
use serde_json::Value;

/// Its sizes: the keys of `kind: cross-stitch`.
#[derive(Debug)]
struct CrossStitchConfig {
    bottom: Vec<usize>,
    init: Initializer,
}

#[derive(Debug)]
struct CrossStitch {
    bottoms: Bank,
    stitch: Tensor,
    tasks: usize,
}

fn read(section: &mut Section<'_>) -> mt_models::Result<Box<dyn Architecture>> {
    Ok(Box::new(CrossStitchConfig { bottom: section.layers("bottom", &[32])?, init: section.init() }))
}

impl Architecture for CrossStitchConfig {
    fn build(
        &self,
        sizes: Sizes<'_>,
        _: &[Option<Columns>],
        vb: VarBuilder<'_>,
    ) -> candle_core::Result<Box<dyn Trunk>> {
        let tasks = sizes.heads.len();
        let bottoms = Bank::experts(sizes.inputs, tasks, &self.bottom, self.init, vb.pp("bottoms"))?;
        // Nothing is taken at first.
        Ok(Box::new(CrossStitch { bottoms, stitch: vb.get((tasks, tasks), "stitch")?, tasks }))
    }

    fn facts(&self, _: &[&str]) -> Facts {
        Facts::default()
    }

    fn scale(&self, widest: usize, keys: &mut BTreeMap<String, Value>) {
        let most = self.bottom.iter().max().copied().unwrap_or(1);
        keys.insert(
            "bottom".to_owned(),
            self.bottom.iter().map(|units| (units * widest / most).max(1)).collect(),
        );
    }

    fn graph(
        &self,
        graph: &mut dyn Graph,
        tasks: &[&str],
        xs: &str,
        _: &[String],
    ) -> mt_models::Result<Vec<String>> {
        let bottoms = graph.experts("bottoms", self.bottom.len(), xs)?; // (B, T, H)
        let stitch = graph.parameter("stitch")?;
        let takes = (Tensor::eye(tasks.len(), stitch.dtype(), stitch.device())? + stitch)?;
        let mut streams = Vec::new();
        for (t, task) in tasks.iter().enumerate() {
            let takes = graph.constant(&format!("stitch.{task}"), &takes.narrow(0, t, 1)?)?; // (1, T)
            let stream = graph.node("MatMul", &[&takes, &bottoms], &[]); // (B, 1, H)
            streams.push(graph.node("Flatten", &[&stream], &[])); // (B, H)
        }
        Ok(streams)
    }
}

impl Trunk for CrossStitch {
    fn forward(&self, xs: &Input, run: &mut Run) -> candle_core::Result<Tensor> {
        // All tasks may read all of it, so that is what a balancing method looks at.
        let own = self.bottoms.forward(xs, run)?;
        let own = run.tap(own, 0..self.tasks * self.width())?;
        let streams = own.reshape(((), self.tasks, self.width()))?;
        let taken = self.stitch.broadcast_matmul(&streams)?.flatten_from(1)?;
        own + taken
    }

    fn width(&self) -> usize {
        self.bottoms.outputs()
    }
}

const CONFIG: &str = "
version: 1
data: {synth: {rows: 4000, seed: 3}}
tasks: [{name: completion, label: completion}, {name: like, label: like}]
model: {kind: cross-stitch, bottom: [24]}
train: {epochs: 4, batch_size: 64, log_every: 5}
";

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::temp_dir().join(format!("cross-stitch-{}", std::process::id()));
    let done = run(&folder);
    std::fs::remove_dir_all(&folder)?;
    done
}

fn run(folder: &Path) -> Result<(), Box<dyn Error>> {
    let registry = Registry::default().with("cross-stitch", read);
    let device = Device::Cpu;
    let go = |run: &RunDir, cfg: &Config, stop_in: usize| {
        let stop = AtomicBool::new(false);
        let data = load(cfg, Some(run), &|_| ())?;
        train(cfg, &data, &device, run, &stop, &mut |event| {
            let here = matches!(event, Event::Progress { epoch, .. } if *epoch == stop_in);
            stop.store(here, Ordering::Relaxed);
        })
    };
    let weights = |run: &RunDir| std::fs::read(run.checkpoint(4).join("weights.safetensors"));
    // Once without a stop, once stopped in the second epoch and resumed: the same bytes.
    let cfg = Config::parse_with(CONFIG, "network.yaml", &[], &registry)?;
    let straight = RunDir::create(&folder.join("straight"), &cfg)?;
    let outcome = go(&straight, &cfg, 0)?;
    let path = folder.join("stopped");
    {
        let run = RunDir::create(&path, &cfg)?;
        go(&run, &cfg, 2)?;
    }
    let (resumed, again) = RunDir::resume_with(&path, &registry)?;
    go(&resumed, &again, 0)?;
    if weights(&straight)? != weights(&resumed)? {
        return Err("a run that was stopped gives other weights".into());
    }
    // Balanced by what the tasks' gradients say.
    let balanced = ["train.balance.kind=pcgrad".to_owned(), "train.epochs=1".to_owned()];
    let balanced = Config::parse_with(CONFIG, "network.yaml", &balanced, &registry)?;
    go(&RunDir::create(&folder.join("balanced"), &balanced)?, &balanced, 0)?;

    let best = outcome.best.ok_or("no epoch was evaluated")?;
    println!("{} epochs, validation AUC {:.4?}", outcome.epochs, best.value);
    let (bundle, config) = (folder.join("bundle"), cfg.to_yaml()?);
    let export = Export {
        checkpoint: &straight.checkpoint(best.epoch),
        tables: TableFormat::F32,
        rows: Vec::new(),
        config: &config,
        registry: registry.clone(),
    };
    export.write(&bundle, |_| Ok::<_, mt_models::Error>("Cross-stitch.\n".to_owned()))?;
    let predictor = Predictor::load_with(&bundle, &device, &registry)?;
    println!(
        "{} predicts {} tasks",
        predictor.signature().model.kind,
        predictor.signature().schema.tasks.len()
    );
    // Who does not know the network says so.
    let unknown = Predictor::load(&bundle, &device).err().ok_or("a network that nobody knows was built")?;
    println!("without it: {unknown}");
    let onnx = folder.join("onnx");
    mt_onnx::Export { model: &bundle, tables: true, registry }.write(&onnx)?;
    println!("{} bytes of ONNX", std::fs::metadata(onnx.join("model.onnx"))?.len());
    match best.value {
        Some(auc) if auc > 0.7 => Ok(()),
        value => Err(format!("expected an AUC above 0.7, found {value:?}").into()),
    }
}
