//! Requests that are not as they should be: the right status, a message that helps, and a server that lives.

use std::io::Write;
use std::time::Duration;

use crate::client::Served;

/// Whether the server still answers.
fn lives(served: &Served) {
    assert_eq!(served.post("/predict", r#"{"rows": [{"age": 1}]}"#).status, 200);
}

#[test]
fn bad_bodies_are_named_with_their_place() {
    let served = Served::new(|_| {});
    let cases = [
        ("", "EOF while parsing a value at line 1 column 0"),
        ("{\"rows\": [{\"age\": NaN}]}", "row 0: column \"age\": expected value at line 1 column 19"),
        ("{\"rows\": [{\"age\": 1e999}]}", "row 0: column \"age\": number out of range at line 1 column 23"),
        ("{\"rows\": [{}, {\"age\": 1e300}]}", "row 1: column \"age\": expected a finite number, found "),
        ("{\"rows\": [{\"aje\": 1}]}", "row 0: the model reads no column \"aje\"; did you mean \"age\"?"),
        ("{\"rows\": [{\"age\": {}}]}", "expected a number, a text, true, false, a list of these or null"),
        ("{\"rows\": [{\"age\": \"old\"}]}", "row 0: column \"age\": expected a number, found \"old\""),
        ("{\"rows\": [{\"age\": {}}]}", "invalid type: map, expected a number"),
        ("{\"rows\": [{\"age\": [[1]]}]}", "expected a number, a text, true, false or null in a list"),
        ("{\"rows\": [{\"age\": 1, \"age\": 2}]}", "column \"age\": expected one value, found a second one"),
        ("{\"rows\": {}}", "invalid type: map, expected a list of rows"),
        ("{\"rows\": [3]}", "expected a row, an object {COLUMN: VALUE, ...}"),
        ("[]", "expected an object {\"rows\": [{COLUMN: VALUE, ...}, ...]}"),
        ("{}", "missing field `rows`"),
        ("{\"rows\": [], \"rows\": []}", "\"rows\" is there twice"),
        ("{\"rwos\": []}", "unknown key \"rwos\"; did you mean \"rows\"?"),
        ("{\"rows\": []} x", "trailing characters"),
        ("{\"rows\": [], \"top_k\": 1}", "top_k needs a score"),
        ("{\"rows\": [], \"top_k\": -1, \"score\": \"like\"}", "expected usize"),
        ("{\"rows\": [], \"score\": \"lik\"}", "character 1: there is no \"lik\"; did you mean \"like\"?"),
        ("{\"rows\": [{\"user\": \"\\ud800\"}]}", "row 0: column \"user\": "),
    ];
    for (body, message) in cases {
        let (status, error) = served.post("/predict", body).error();
        assert!(status == 400 && error.contains(message), "{body}: {status} {error}");
    }
    for deep in ["[", "{\"rows\":", "{\"rows\":[{\"age\":["].map(|open| open.repeat(4000)) {
        assert_eq!(served.post("/predict", &deep).status, 400);
        assert_eq!(served.post("/v2/models/m/infer", &deep).status, 400);
    }
    let long = format!("{{\"rows\": [{{\"{}\": 1}}]}}", "a".repeat(90_000));
    let (status, error) = served.post("/predict", long).error();
    assert!(status == 400 && error.chars().count() == 1001, "{error}");
    assert_eq!(served.post("/predict", b"{\"rows\": [{\"user\": \"\xff\"}]}").status, 400);
    lives(&served);
}

#[test]
fn limits_have_status_codes_of_their_own() {
    let served = Served::new(|_| {});
    let rows = |count: usize| format!("{{\"rows\": [{}]}}", vec!["{}"; count].join(","));
    assert_eq!(served.post("/predict", rows(100)).status, 200);
    let (status, error) = served.post("/predict", rows(101)).error();
    assert_eq!((status, error.as_str()), (413, "expected at most 100 rows a request, found more"));
    let mut client = served.client();
    let head = "POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n";
    client.0.get_mut().write_all(head.as_bytes()).expect("sent");
    assert_eq!(client.receive().expect("an answer").status, 413);
    let mut client = served.client();
    let chunk = format!("{:x}\r\n{}\r\n", 60_000, " ".repeat(60_000)).repeat(2);
    let head = "POST /predict HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
    client.0.get_mut().write_all(format!("{head}{chunk}").as_bytes()).expect("sent");
    assert_eq!(client.receive().expect("an answer").status, 413);
    let send = |method: &str, path: &str, headers: &str| {
        served.client().send(method, path, headers, b"{}").expect("an answer")
    };
    let answer = send("GET", "/predict", "");
    assert!(answer.status == 405 && answer.head.contains("allow: post\r\n"), "{answer:?}");
    assert_eq!(send("DELETE", "/metrics", "").status, 405);
    assert_eq!(send("POST", "/predict", "Content-Type: text/xml\r\n").status, 415);
    assert_eq!(send("POST", "/predict", "Content-Encoding: gzip\r\n").status, 415);
    assert_eq!(send("POST", "/predict", "Content-Type: Application/JSON; charset=utf-8\r\n").status, 400);
    lives(&served);
}

#[test]
fn paths_lead_to_nothing_but_what_is_served() {
    let served = Served::new(|_| {});
    for path in [
        "/predict/..",
        "/predict/../m",
        "/predict/%2e%2e%2fetc%2fpasswd",
        "/predict/m%00",
        "/predict/m/",
        "/v2/models/../../m/infer",
        "/v2/models//infer",
        "/v2/models/m/versions/..%2f/infer",
    ] {
        assert_eq!(served.post(path, r#"{"rows": []}"#).status, 404, "{path}");
    }
    let long = format!("/predict/{}", "a".repeat(3000));
    assert_eq!(served.post(&long, "{}").status, 404);
    let (_, error) = served.post("/predict/mm", "{}").error();
    assert_eq!(error, "no model \"mm\"; did you mean \"m\"?");
    lives(&served);
}

#[test]
fn slow_and_broken_clients_hold_nobody_up() {
    let served = Served::new(|config| config.limits.idle = Duration::from_millis(1500));
    let mut slow = served.client();
    let head = "POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{";
    slow.0.get_mut().write_all(head.as_bytes()).expect("sent");
    let mut silent: Vec<_> = (0..50).map(|_| served.client()).collect();
    for (i, client) in silent.iter_mut().enumerate() {
        let part = [&b""[..], b"P", b"PRI * HTTP/2.0", b"GET / HT", b"\x16\x03\x01\x00\xff"][i % 5];
        client.0.get_mut().write_all(part).expect("sent");
    }
    lives(&served);
    assert_eq!(slow.receive().expect("an answer").status, 408);
    for mut client in silent {
        assert!(client.receive().is_err() || client.receive().is_err());
    }
    lives(&served);
}

#[test]
fn beyond_its_capacity_the_server_says_try_again() {
    let served = Served::new(|config| config.limits.requests = 0);
    let mut client = served.client();
    for _ in 0..3 {
        let body = format!("{}{}", " ".repeat(90_000), r#"{"rows": []}"#);
        let answer = client.send("POST", "/predict", "", body.as_bytes()).expect("an answer");
        assert!(answer.status == 503 && answer.head.contains("retry-after: 1\r\n"), "{answer:?}");
        assert_eq!(client.send("GET", "/v2/health/live", "", b"").expect("an answer").status, 200);
    }
}
