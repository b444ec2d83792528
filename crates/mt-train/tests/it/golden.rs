//! PaddleRec's numbers for the four networks: forward pass, loss, gradients, five Adam steps.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Result, Tensor};
use mt_features::{Task, TaskKind};
use mt_layers::{Input, LossKind, LossTerm, MultiTaskLoss, Param, Params, Run, SparseRows};
use mt_models::{Model, ModelConfig, Readout, build};
use mt_train::{Optimizer, OptimizerConfig};

/// A golden file.
struct Golden(BTreeMap<String, Tensor>);

impl Golden {
    fn load(path: &Path) -> Result<Self> {
        Ok(Self(candle_core::safetensors::load(path, &Device::Cpu)?.into_iter().collect()))
    }

    fn get(&self, name: &str) -> &Tensor {
        self.0.get(name).unwrap_or_else(|| panic!("the golden file has no {name}"))
    }

    fn values(&self, name: &str) -> Result<Vec<f32>> {
        self.get(name).flatten_all()?.to_vec1()
    }

    fn tasks(&self) -> Result<Vec<Task>> {
        let task = |t| Task::new(format!("task{t}"), TaskKind::BinarySoftmax);
        Ok((0..self.get("labels").dim(1)?).map(task).collect())
    }

    /// Output columns of a linear layer, if the file has it.
    fn units(&self, layer: &str) -> Option<usize> {
        self.0.get(&format!("param0/{layer}.weight"))?.dim(1).ok()
    }

    /// How many layers the file has whose names are `name(0)`, `name(1)`, …
    fn count(&self, name: impl Fn(usize) -> String) -> usize {
        (0..).take_while(|&i| self.units(&name(i)).is_some()).count()
    }

    /// The network of the file.
    fn model(&self) -> ModelConfig {
        let tower = vec![self.units("tower_0").expect("a tower")];
        let cfg = |kind| ModelConfig { tower: tower.clone(), ..ModelConfig::new(kind) };
        if let Some(bottom) = self.units("bottom") {
            return cfg("shared-bottom").with("bottom", vec![bottom]);
        }
        if let Some(expert) = self.units("expert_0") {
            let experts = self.count(|e| format!("expert_{e}"));
            return cfg("mmoe").with("experts", experts).with("expert", vec![expert]);
        }
        let levels = self.count(|l| format!("lev_{l}.lev_{l}_exp_0_0"));
        cfg("ple")
            .with("experts_per_task", self.count(|k| format!("lev_0.lev_0_exp_0_{k}")))
            .with("shared_experts", self.count(|k| format!("lev_0.lev_0_exp_shared_{k}")))
            .with("expert", self.units("lev_0.lev_0_exp_0_0").map(|units| vec![units]))
            .with("levels", levels)
    }

    /// Our parameter's values in a golden set (`param0`, `grad0`, `param5`), from PaddleRec's names and layout.
    fn ours(&self, set: &str, param: &Param) -> Result<Tensor> {
        let (path, what) = param.name.rsplit_once('.').expect("a dotted name");
        let of = |layer: &str| self.get(&format!("{set}/{layer}.{what}"));
        let parts: Vec<&str> = path.split('.').collect();
        let member = |name: &dyn Fn(usize) -> String| -> Result<Tensor> {
            let n = param.var.dim(if what == "weight" { 1 } else { 0 })?;
            let layers = (0..n).map(|k| of(&name(k)).clone()).collect::<Vec<_>>();
            Tensor::stack(&layers, if what == "weight" { 1 } else { 0 })
        };
        let number = |task: &str| task.trim_start_matches("task").to_owned();
        match parts[..] {
            ["towers", task, "0"] => transposed(of(&format!("tower_{}", number(task)))),
            ["towers", task, "1"] => transposed(of(&format!("tower_out_{}", number(task)))),
            ["bottom", "0"] => member(&|_| "bottom".into()),
            ["experts", "0"] => member(&|k| format!("expert_{k}")),
            ["gates", task, "0"] => member(&|_| format!("gate_{}", number(task))),
            ["levels", l, "experts", task, "0"] => {
                member(&|k| format!("lev_{l}.lev_{l}_exp_{}_{k}", number(task)))
            }
            ["levels", l, "gates", "shared", "0"] => member(&|_| format!("lev_{l}.lev_{l}_gate_shared_")),
            ["levels", l, "gates", task, "0"] => {
                member(&|_| format!("lev_{l}.lev_{l}_gate_{}", number(task)))
            }
            _ => panic!("no golden name for {}", param.name),
        }
    }
}

/// A weight transposed; a bias as it is.
fn transposed(tensor: &Tensor) -> Result<Tensor> {
    if tensor.rank() == 2 { tensor.t()?.contiguous() } else { Ok(tensor.clone()) }
}

fn assert_close(what: &str, found: &[f32], expected: &[f32], tolerance: f32) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let scale = expected.iter().fold(0f32, |m, x| m.max(x.abs())).max(1e-6);
    for (i, (a, b)) in found.iter().zip(expected).enumerate() {
        assert!((a - b).abs() <= tolerance * scale, "{what}[{i}]: {a}, golden {b} (scale {scale})");
    }
}

fn loss(golden: &Golden, model: &dyn Model, xs: &Input, kind: LossKind, run: &mut Run) -> Result<Tensor> {
    let labels = golden.values("labels")?;
    let tasks = vec![LossTerm { logits: 2, weight: 1.0, kind }; golden.tasks()?.len()];
    let mask = vec![1.0; labels.len()];
    let logits = model.forward(xs, run)?;
    Ok(MultiTaskLoss { tasks: &tasks, labels: &labels, mask: &mask }.forward(&logits)?.total)
}

/// Everything a golden file pins, with the given form of its input.
fn check(path: &Path, sparse: bool) -> Result<()> {
    let golden = Golden::load(path)?;
    let what = |name: &str| format!("{}: {name}", path.file_stem().expect("a name").to_string_lossy());
    let input = golden.get("input");
    let xs = if sparse { SparseRows::from_dense(input)?.into() } else { Input::from(input) };
    let tasks = golden.tasks()?;
    let params = Params::new(1);
    let vb = params.builder(DType::F32, &Device::Cpu);
    let model = build(&golden.model(), input.dim(1)?, &mt_features::heads(&tasks), vb).expect("a model");
    let all = params.all();
    let total: usize = all.iter().map(|p| p.var.elem_count()).sum();
    let theirs = golden.0.iter().filter(|(n, _)| n.starts_with("param0/")).map(|(_, t)| t.elem_count());
    assert_eq!(total, theirs.sum::<usize>(), "{}", what("number of parameters"));
    for param in &all {
        param.var.set(&golden.ours("param0", param)?.reshape(param.var.shape())?)?;
    }

    let readout = Readout::new(&tasks, &BTreeMap::new());
    let predict = || -> Result<Vec<f32>> {
        Ok(readout.predictions(&model.forward(&xs, &mut Run::evaluation())?).expect("predictions"))
    };
    assert_close(&what("probs0"), &predict()?, &golden.values("probs0")?, 1e-5);
    let paddle =
        loss(&golden, &*model, &xs, LossKind::PaddlerecLog, &mut Run::evaluation())?.to_scalar::<f32>()?;
    assert_close(&what("paddle_log_loss0"), &[paddle], &golden.values("paddle_log_loss0")?, 1e-5);

    let mut optimizer = Optimizer::new(OptimizerConfig::default());
    let losses = golden.values("losses")?;
    for (step, expected) in losses.iter().enumerate() {
        let total = params.backward(|run| loss(&golden, &*model, &xs, LossKind::CrossEntropy, run))?;
        let total = total.to_scalar::<f32>()?;
        assert_close(&what(&format!("losses[{step}]")), &[total], &[*expected], 1e-4);
        for param in all.iter().filter(|_| step == 0) {
            let expected = golden.ours("grad0", param)?.flatten_all()?.to_vec1::<f32>()?;
            assert_close(
                &what(&format!("grad0 of {}", param.name)),
                &param.gradient.lock().host,
                &expected,
                1e-4,
            );
        }
        optimizer.step(&all, |_| 1.0)?;
    }
    for param in &all {
        let expected = golden.ours("param5", param)?.flatten_all()?.to_vec1::<f32>()?;
        assert_close(&what(&param.name), &param.var.flatten_all()?.to_vec1::<f32>()?, &expected, 1e-4);
    }
    assert_close(&what("probs5"), &predict()?, &golden.values("probs5")?, 1e-4);
    Ok(())
}

fn check_folder(folder: &Path, expected: usize) {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|e| e == "safetensors"))
        .collect();
    files.sort();
    assert_eq!(files.len(), expected, "golden files in {}", folder.display());
    for file in files {
        for sparse in [false, true] {
            check(&file, sparse).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        }
    }
}

#[test]
fn small_networks_reproduce_paddlerecs_numbers() {
    check_folder(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/golden"), 6);
}

#[test]
#[expect(clippy::print_stderr, reason = "a skipped test has to say so")]
fn networks_on_census_rows_reproduce_paddlerecs_numbers() {
    match std::env::var_os("MT_TEST_DATA") {
        Some(data) => check_folder(&Path::new(&data).join("golden"), 5),
        None => {
            eprintln!("skipped: MT_TEST_DATA is not set, the golden files on census rows are not at hand")
        }
    }
}
