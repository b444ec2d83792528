//! The Open Inference Protocol v2.

use mt_models::{Task, TaskKind};
use mt_serve::Source;
use serde_json::json;

use crate::client::Served;

#[test]
fn the_server_and_its_models_describe_themselves() {
    let served = Served::new(|config| config.score = Some("like".to_owned()));
    assert_eq!(served.get("/v2/health/ready").json(), json!({"ready": true}));
    assert_eq!(served.get("/v2").json()["extensions"], json!(["binary_tensor_data", "model_repository"]));
    let model = served.get("/v2/models/m").json();
    let tensor = |name: &str, datatype: &str, shape: &[i64]| json!({"name": name, "datatype": datatype, "shape": shape});
    assert_eq!(
        model["inputs"],
        json!([
            tensor("age", "FP32", &[-1]),
            tensor("x", "FP32", &[-1]),
            tensor("user", "BYTES", &[-1]),
            tensor("seen", "BYTES", &[-1, -1]),
        ])
    );
    assert_eq!(
        model["outputs"],
        json!([
            tensor("like", "FP32", &[-1]),
            tensor("tab", "FP32", &[-1, 3]),
            tensor("seconds", "FP32", &[-1]),
            tensor("score", "FP32", &[-1]),
        ])
    );
    let version = model["versions"][0].as_str().expect("a version");
    let index = served.post("/v2/repository/index", "").json();
    assert_eq!(index, json!([{"name": "m", "version": version, "state": "READY"}]));
    assert_eq!(served.get(&format!("/v2/models/m/versions/{version}/ready")).status, 200);
    assert_eq!(served.get("/v2/models/m/versions/0/ready").status, 404);
}

#[test]
fn a_head_without_a_label_is_an_output_behind_the_tasks() {
    let folder = tempfile::tempdir().expect("a folder");
    let bundle = folder.path().join("bundle");
    crate::bundles::change(&bundle, 1, |signature| {
        let prediction = "like * cvr".parse().ok();
        signature.schema.tasks[2] = Task { prediction, ..Task::new("buy", TaskKind::Binary) };
    });
    let served =
        Served::of(folder, Source::named("m", bundle), |config| config.score = Some("cvr".to_owned()));
    let outputs = served.get("/v2/models/m").json()["outputs"].clone();
    let names: Vec<_> =
        outputs.as_array().expect("a list").iter().map(|output| output["name"].clone()).collect();
    assert_eq!(names, ["like", "tab", "buy", "cvr", "score"]);
    let inputs = json!([{"name": "age", "shape": [2], "datatype": "FP32", "data": [1.5, -3]}]);
    let found = served.post("/v2/models/m/infer", json!({"inputs": inputs}).to_string()).json();
    let of =
        |output: usize, row: usize| found["outputs"][output]["data"][row].as_f64().expect("a number") as f32;
    for row in 0..2 {
        assert_eq!((of(0, row) * of(3, row), of(4, row)), (of(2, row), of(3, row)));
    }
}

#[test]
fn tensors_as_json_and_binary_give_the_predictions_of_the_rows() {
    let served = Served::new(|_| {});
    let rows = json!({"rows": [
        {"age": 1.5, "user": "ann", "seen": ["1", "2"]},
        {"age": -3, "user": "nobody", "seen": ["3", "4"]},
    ]});
    let expected = served.post("/predict", rows.to_string()).json()["predictions"].clone();
    let text = json!({"id": "7", "inputs": [
        {"name": "age", "shape": [2, 1], "datatype": "FP32", "data": [[1.5], [-3]]},
        {"name": "user", "shape": [2], "datatype": "BYTES", "data": ["ann", "nobody"]},
        {"name": "seen", "shape": [2, 2], "datatype": "BYTES", "data": ["1", "2", "3", "4"]},
    ], "outputs": [{"name": "tab"}, {"name": "like"}]});
    let found = served.post("/v2/models/m/infer", text.to_string()).json();
    assert_eq!((&found["id"], &found["model_name"]), (&json!("7"), &json!("m")));
    assert_eq!(found["outputs"][0]["shape"], json!([2, 3]));
    let tab = [&expected[0]["tab"], &expected[1]["tab"]]
        .map(|row| row.as_array().expect("a list").clone())
        .concat();
    assert_eq!(found["outputs"][0]["data"], json!(tab));
    assert_eq!(found["outputs"][1]["data"], json!([expected[0]["like"], expected[1]["like"]]));

    let bytes = |texts: &[&str]| -> Vec<u8> {
        texts
            .iter()
            .flat_map(|text| [&(text.len() as u32).to_le_bytes()[..], text.as_bytes()].concat())
            .collect()
    };
    let age = [1.5f32, -3.0].map(f32::to_le_bytes).concat();
    let (user, seen) = (bytes(&["ann", "nobody"]), bytes(&["1", "2", "3", "4"]));
    let size = |bytes: &[u8]| json!({"binary_data_size": bytes.len()});
    let head = json!({"inputs": [
        {"name": "age", "shape": [2], "datatype": "FP32", "parameters": size(&age)},
        {"name": "user", "shape": [2], "datatype": "BYTES", "parameters": size(&user)},
        {"name": "seen", "shape": [2, 2], "datatype": "BYTES", "parameters": size(&seen)},
    ], "outputs": [{"name": "like", "parameters": {"binary_data": true}}]})
    .to_string();
    let header = format!("Inference-Header-Content-Length: {}\r\n", head.len());
    let body = [head.as_bytes(), &age, &user, &seen].concat();
    let answer = served.client().send("POST", "/v2/models/m/infer", &header, &body).expect("an answer");
    assert_eq!(answer.status, 200, "{answer:?}");
    let (numbers, _) = answer.body[answer.body.len() - 8..].as_chunks();
    let found: Vec<f32> = numbers.iter().map(|number| f32::from_le_bytes(*number)).collect();
    let expected = [0, 1].map(|row| expected[row]["like"].to_string().parse::<f32>().expect("a number"));
    assert_eq!(found, expected);
    // Cut anywhere, it is refused.
    for end in [head.len() - 1, head.len(), head.len() + 5, body.len() - 1] {
        let cut =
            served.client().send("POST", "/v2/models/m/infer", &header, &body[..end]).expect("an answer");
        assert_eq!(cut.status, 400, "{end}");
    }
}

#[test]
fn tensors_that_do_not_fit_are_named() {
    let served = Served::new(|_| {});
    let age = |shape: &str, kind: &str, data: &str| {
        format!(
            r#"{{"inputs": [{{"name": "age", "shape": {shape}, "datatype": "{kind}", "data": {data}}}]}}"#
        )
    };
    for (body, message) in [
        (age("[2]", "FP32", "[1]"), "input \"age\": shape [2] does not fit 1 values"),
        (age("[1, 1, 1]", "FP32", "[1]"), "expected shape [rows] or [rows, values], found [1, 1, 1]"),
        (age("[9223372036854775807, 4]", "FP32", "[1]"), "expected at most 100 rows"),
        (age("[1]", "INT64", "[1.5]"), "input \"age\": value 0 is no INT64"),
        (age("[1]", "FP16", "[1]"), "datatype \"FP16\" is none of"),
        (age("[1, 2]", "FP32", "[1, 2]"), "column \"age\": expected one number, found a list of 2"),
        (age("[1]", "FP32", "[1]").replace("age", "aeg"), "the model reads no column \"aeg\""),
        (
            age("[1]", "FP32", "[1]").replace("]}", r#"], "outputs": [{"name": "lik"}]}"#),
            "there is no output",
        ),
    ] {
        let (status, error) = served.post("/v2/models/m/infer", &body).error();
        assert!([400, 413].contains(&status) && error.contains(message), "{body}: {status} {error}");
    }
}

#[test]
fn values_that_the_model_does_not_know_are_counted() {
    let served = Served::new(|_| {});
    let rows = json!({"rows": [
        {"age": 1.5, "user": "ann", "seen": ["1", "2"]},
        {"age": -3, "user": "nobody", "seen": []},
        {"age": -3},
    ]});
    assert_eq!(served.post("/predict", rows.to_string()).status, 200);
    let text = String::from_utf8(served.get("/metrics").body).expect("text");
    for expected in [
        "mt_field_values_total{model=\"m\",field=\"user\"} 2",
        "mt_field_unknown_values_total{model=\"m\",field=\"user\"} 1",
        "mt_field_missing_total{model=\"m\",field=\"user\"} 1",
        "mt_field_missing_total{model=\"m\",field=\"seen\"} 2",
    ] {
        assert!(text.lines().any(|line| line == expected), "{expected}\n{text}");
    }
}
