//! ONNX Runtime predicts from the file what our predictor does.

use std::path::{Path, PathBuf};
use std::process::Command;

use candle_core::Device;
use mt_bundle::{Predictor, Signature, write_json};
use mt_onnx::Export;
use serde_json::json;

use crate::model::{Inputs, networks, signature, with_columns, write};
use crate::rows::case;

/// Checks the file of each folder, runs it on the rows beside it, and prints the largest difference.
const CHECK: &str = r#"
import json, sys
import numpy as np, onnx, onnxruntime

worst = 0.0
for folder in sys.argv[1:]:
    path = folder + "/model.onnx"
    onnx.checker.check_model(path, full_check=True)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    case = json.load(open(folder + "/case.json"))
    inputs = {}
    for i in session.get_inputs():
        given = case["inputs"][i.name]
        kind = {"tensor(int64)": np.int64, "tensor(double)": np.float64}.get(i.type, np.float32)
        inputs[i.name] = np.array(given["values"], dtype=kind).reshape(given["shape"])
    assert set(inputs) == set(case["inputs"]), (folder, set(inputs))
    names = [o.name for o in session.get_outputs()]
    assert set(names) == set(case["expected"]), (folder, names)
    for name, found in zip(names, session.run(names, inputs)):
        expected = case["expected"][name]
        assert list(found.shape) == expected["shape"], (folder, name, found.shape)
        expected = np.array(expected["values"], dtype=np.float32)
        difference = np.max(np.abs(found.ravel() - expected) / np.maximum(1, np.abs(expected)))
        assert difference <= 1e-5, (folder, name, difference)
        worst = max(worst, float(difference))
print(len(sys.argv) - 1, "files, largest difference", worst)
"#;

/// The interpreter with onnxruntime, onnx and numpy, or `None` after saying that the test skips.
fn python(test: &str) -> Option<PathBuf> {
    let python = std::env::var_os("MT_ONNX_PYTHON").map(PathBuf::from);
    #[expect(clippy::print_stdout, reason = "a test that skips must say so")]
    if python.is_none() {
        println!("{test}: skipped, as MT_ONNX_PYTHON names no Python with onnxruntime, onnx and numpy");
    }
    python
}

/// Exports a model, and puts rows beside the file.
fn export(dir: &Path, number: usize, signature: &Signature, tables: bool) -> PathBuf {
    let (model, onnx) = (dir.join(format!("model-{number}")), dir.join(format!("onnx-{number}")));
    write(&model, signature);
    let registry = signature.model.registry.clone();
    let case = case(&Predictor::load_with(&model, &Device::Cpu, &registry).expect("a model"), tables);
    Export { model: &model, tables, registry }.write(&onnx).expect("an ONNX file");
    let rows = json!({ "inputs": case.inputs, "expected": case.expected });
    write_json(&onnx.join("case.json"), &rows).expect("a file");
    onnx
}

#[test]
fn every_network_input_and_task_predicts_in_onnx_runtime_what_it_does_here() {
    use Inputs::{Attention, Dense, Fields, Large, Mixed, SelfAttention, Sparse};
    let Some(python) = python("every_network_input_and_task") else { return };
    let dir = tempfile::tempdir().expect("a folder");
    let mut folders = Vec::new();
    for (name, network) in networks() {
        for inputs in [Dense, Large, Sparse, Mixed, Fields, Attention, SelfAttention] {
            for tables in [true, false] {
                if tables || matches!(inputs, Mixed | Fields) {
                    let plain = signature(network.clone(), inputs);
                    folders.push(export(dir.path(), folders.len(), &plain, tables));
                    if tables {
                        folders.push(export(dir.path(), folders.len(), &with_columns(plain), tables));
                    }
                }
            }
        }
        assert!(!folders.is_empty(), "{name}");
    }
    let said = Command::new(python).arg("-c").arg(CHECK).args(&folders).output().expect("Python starts");
    let (out, err) = (String::from_utf8_lossy(&said.stdout), String::from_utf8_lossy(&said.stderr));
    assert!(said.status.success(), "{out}{err}");
    #[expect(clippy::print_stdout, reason = "the difference found is what one runs this test for")]
    {
        println!("{out}");
    }
}
