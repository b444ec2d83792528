//! `/predict`, and what surrounds it.

use candle_core::Device;
use mt_bundle::{Predictor, push_json};
use mt_serve::Token;
use serde_json::json;

use crate::client::Served;

/// Float32 numbers in the fewest digits that read back the same.
fn shortest(numbers: &(impl serde::Serialize + ?Sized)) -> serde_json::Value {
    serde_json::from_str(&serde_json::to_string(numbers).expect("text")).expect("JSON")
}

#[test]
fn predictions_are_those_of_the_library_to_the_bit() {
    let served = Served::new(|_| {});
    let rows = json!([
        {"age": 31.5, "x": -2, "user": "ann", "seen": ["1", 2, null]},
        {"user": u64::MAX, "seen": "3|4"},
        {"age": null, "us\u{65}r": "b\"ob"},
        {},
    ]);
    let predictor = Predictor::load(&served.folder.path().join("bundle"), &Device::Cpu).expect("a bundle");
    let mut raw = predictor.rows();
    for row in rows.as_array().expect("a list") {
        push_json(&mut raw, row.as_object().expect("an object")).expect("a good row");
    }
    let expected = predictor.predict_rows(&raw).expect("predictions");
    for path in ["/predict", "/predict/m"] {
        let answer = served.post(path, json!({"rows": rows}).to_string());
        let found = answer.json();
        assert_eq!((answer.status, &found["model"]), (200, &json!("m")), "{found}");
        for (row, found) in found["predictions"].as_array().expect("a list").iter().enumerate() {
            let task = |name: &str| expected.task(row, name).expect("a task");
            let first = |name: &str| shortest(&task(name)[0]);
            let expected =
                json!({"like": first("like"), "tab": shortest(task("tab")), "seconds": first("seconds")});
            assert_eq!(*found, expected);
        }
    }
    let empty = served.post("/predict", r#"{"rows": []}"#).json();
    assert_eq!(empty["predictions"], json!([]));
}

#[test]
fn rows_are_ranked_by_a_formula_over_the_tasks() {
    let served = Served::new(|config| config.score = Some("`tab.1`".to_owned()));
    let rows = json!([{"age": 1}, {"age": 50}, {"age": -9}, {"user": "ann"}]);
    let ask = |more: serde_json::Value| {
        let mut body = json!({"rows": rows});
        body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        served.post("/predict", body.to_string()).json()
    };
    let all = ask(json!({"score": "like ^ 0.5 * 2"}));
    let like = |row: usize| all["predictions"][row]["like"].as_f64().expect("a number");
    let scores: Vec<f64> = serde_json::from_value(all["scores"].clone()).expect("numbers");
    for (row, score) in scores.iter().enumerate() {
        // The number in JSON is the shortest one that reads back as the float32.
        assert!((score - f64::from(like(row) as f32).sqrt() * 2.0).abs() < 1e-12);
    }
    let mut order: Vec<usize> = (0..4).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    let top = ask(json!({"score": "like ^ 0.5 * 2", "top_k": 2}));
    let expected: Vec<_> = order[..2].iter().map(|&row| json!({"row": row, "score": scores[row]})).collect();
    assert_eq!(top["ranked"], json!(expected));
    // The server's own formula, where a request has none.
    let own = ask(json!({}));
    assert_eq!(
        own["scores"][1].as_f64().map(|x| x as f32),
        own["predictions"][1]["tab"][1].as_f64().map(|x| x as f32)
    );
}

#[test]
fn a_token_is_asked_for_everywhere_but_at_the_page_and_the_health() {
    let served = Served::new(|config| config.token = Some(Token::Text("secret".to_owned())));
    let status = |path: &str, header: &str| {
        let method = if path == "/predict" { "POST" } else { "GET" };
        let answer = served.client().send(method, path, header, br#"{"rows": [{}]}"#).expect("an answer");
        answer.status
    };
    for path in ["/", "/v2/health/live", "/v2/health/ready"] {
        assert_eq!(status(path, ""), 200, "{path}");
    }
    for path in ["/predict", "/metrics", "/v2", "/v2/models/m"] {
        assert_eq!(status(path, ""), 401, "{path}");
        assert_eq!(status(path, "Authorization: Bearer secre\r\n"), 401, "{path}");
        assert_eq!(status(path, "Authorization: Bearer secret\r\n"), 200, "{path}");
    }
}

#[test]
fn answers_carry_a_request_id_and_metrics_count_them() {
    let served = Served::new(|_| {});
    let mut client = served.client();
    let answer = client.send("POST", "/predict", "X-Request-Id: abc-1\r\n", br#"{"rows": [{}, {}]}"#);
    assert!(answer.expect("an answer").head.contains("x-request-id: abc-1\r\n"));
    let bad = client.send("POST", "/predict", "X-Request-Id: a b\r\n", b"{").expect("an answer");
    assert!(!bad.head.contains("a b") && bad.json()["request_id"].is_string(), "{bad:?}");
    let metrics = String::from_utf8(served.get("/metrics").body).expect("text");
    for line in [
        "mt_requests_total{route=\"predict\",status=\"200\"} 1",
        "mt_requests_total{route=\"predict\",status=\"400\"} 1",
        "mt_rows_total{model=\"m\"} 2",
        "mt_model_loads_total{model=\"m\"} 1",
    ] {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
}
