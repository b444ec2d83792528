//! Versions that come and go, and the end of a server.

use std::sync::atomic::{AtomicBool, Ordering};

use mt_serve::Source;

use crate::bundles;
use crate::client::Served;

const ROW: &str = r#"{"rows": [{"age": 3, "user": "bob", "seen": [1]}]}"#;

#[test]
fn a_hundred_swaps_under_load_fail_no_request_and_each_answer_is_one_version() {
    let folder = tempfile::tempdir().expect("a folder");
    for seed in [1, 2] {
        bundles::write(&folder.path().join(format!("models/m/{seed}")), seed);
    }
    let (models, second) = (folder.path().join("models"), folder.path().join("models/m/2"));
    let aside = folder.path().join("aside");
    let served = Served::of(folder, Source::Folder(models), |_| {});
    let ask = |client: &mut crate::client::Client| {
        let answer = client.send("POST", "/predict/m", "", ROW.as_bytes()).expect("an answer");
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body
    };
    let wait = |version: &str| loop {
        let body = served.post("/predict/m", ROW);
        if body.json()["version"] == version {
            return body.body;
        }
    };
    let new = wait("2");
    std::fs::rename(&second, &aside).expect("moved");
    let old = wait("1");
    assert_ne!(new[28..], old[28..], "the two versions predict the same");
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let hammer = || {
            let (mut client, mut answers) = (served.client(), 0);
            while !done.load(Ordering::Relaxed) {
                let body = ask(&mut client);
                assert!(body == old || body == new, "{}", String::from_utf8_lossy(&body));
                answers += 1;
            }
            answers
        };
        let hammers: Vec<_> = (0..3).map(|_| scope.spawn(hammer)).collect();
        for _ in 0..50 {
            std::fs::rename(&aside, &second).expect("moved");
            wait("2");
            std::fs::rename(&second, &aside).expect("moved");
            wait("1");
        }
        done.store(true, Ordering::Relaxed);
        for hammer in hammers {
            assert!(hammer.join().expect("no failed request") > 100);
        }
    });
}

#[test]
fn fifty_deltas_under_load_fail_no_request_and_answer_as_whole_bundles_do() {
    let folder = tempfile::tempdir().expect("a folder");
    let models = folder.path().join("models");
    let at = |name: &str, version: u64| models.join(format!("{name}/{version}"));
    bundles::write(&at("delta", 1), 1);
    bundles::write(&at("whole", 1), 1);
    let served = Served::of(folder, Source::Folder(models.clone()), |_| {});
    // What both predict, once this version does.
    let wait = |name: &str, version: u64| loop {
        let wanted = version.to_string();
        let mut body = served.post(&format!("/predict/{name}"), ROW).json();
        if body["version"] == *wanted {
            let body = body.as_object_mut().expect("an object");
            ["model", "version"].iter().for_each(|key| drop(body.remove(*key)));
            return serde_json::to_string(body).expect("JSON");
        }
    };
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let hammer = || {
            let (mut client, mut answers) = (served.client(), 0);
            while !done.load(Ordering::Relaxed) {
                let answer = client.send("POST", "/predict/delta", "", ROW.as_bytes()).expect("an answer");
                assert_eq!(answer.status, 200, "{answer:?}");
                answers += 1;
            }
            answers
        };
        let hammers: Vec<_> = (0..2).map(|_| scope.spawn(hammer)).collect();
        let mut before = wait("delta", 1);
        assert_eq!(before, wait("whole", 1));
        for version in 2..=51 {
            bundles::write(&at("whole", version), version);
            mt_bundle::write_delta(&at("delta", version - 1), &at("whole", version), &at("delta", version))
                .expect("a delta");
            let now = wait("delta", version);
            assert_eq!(now, wait("whole", version), "{version}");
            assert_ne!(now, before, "{version}");
            before = now;
        }
        done.store(true, Ordering::Relaxed);
        for hammer in hammers {
            assert!(hammer.join().expect("no failed request") > 100);
        }
    });
    assert!(
        !String::from_utf8_lossy(&served.get("/metrics").body)
            .contains("mt_model_refusals_total{model=\"delta\"}")
    );
}

#[test]
fn a_damaged_version_is_refused_and_the_one_before_it_stays() {
    let folder = tempfile::tempdir().expect("a folder");
    let models = folder.path().join("models");
    bundles::write(&models.join("m/1"), 1);
    let served = Served::of(folder, Source::Folder(models.clone()), |_| {});
    for (version, file) in
        [(2, "weights.safetensors"), (3, "model.json"), (4, "bundle.json"), (5, "tables.safetensors")]
    {
        let aside = models.with_file_name(format!("{version}"));
        bundles::write(&aside, 2);
        let bytes = std::fs::read(aside.join(file)).expect("a file");
        std::fs::write(aside.join(file), &bytes[..bytes.len() / 2]).expect("written");
        std::fs::rename(&aside, models.join(format!("m/{version}"))).expect("moved");
        let refused = format!("mt_model_refusals_total{{model=\"m\"}} {}", version - 1);
        while !String::from_utf8_lossy(&served.get("/metrics").body).contains(&refused) {}
        assert_eq!(served.post("/predict/m", ROW).json()["version"], "1");
    }
    bundles::write(&models.join("m/6"), 2);
    while served.post("/predict/m", ROW).json()["version"] != "6" {}
}

#[test]
fn asked_to_stop_the_server_finishes_what_it_accepted() {
    let served = Served::new(|_| {});
    let answers: usize = std::thread::scope(|scope| {
        let hammer = || {
            let (mut client, mut answers) = (served.client(), 0);
            loop {
                let answer = client.send("POST", "/predict", "", ROW.as_bytes()).expect("an answer");
                assert_eq!(answer.status, 200, "{answer:?}");
                answers += 1;
                // Told to leave, a client leaves.
                if answer.head.contains("connection: close\r\n") {
                    return answers;
                }
            }
        };
        let hammers: Vec<_> = (0..4).map(|_| scope.spawn(hammer)).collect();
        std::thread::sleep(std::time::Duration::from_millis(200));
        served.stop();
        hammers.into_iter().map(|hammer| hammer.join().expect("no lost request")).sum()
    });
    assert!(answers > 100, "{answers}");
}

#[test]
fn tables_that_are_damaged_in_place_change_nothing_that_is_served() {
    let folder = tempfile::tempdir().expect("a folder");
    let models = folder.path().join("models");
    for seed in [1, 2] {
        bundles::write(&models.join(format!("m/{seed}")), seed);
    }
    let tables = models.join("m/2/tables.safetensors");
    let good = std::fs::read(&tables).expect("a file");
    let served = Served::of(folder, Source::Folder(models), |_| {});
    let answer = served.post("/predict/m", ROW).body;
    let count = |what: &str| {
        let text = String::from_utf8(served.get("/metrics").body).expect("text");
        let name = format!("mt_model_{what}_total{{model=\"m\"}} ");
        let number = text.lines().find_map(|line| line.strip_prefix(&name)?.parse::<u64>().ok());
        number.unwrap_or(0)
    };
    let write = |bytes: &[u8], counted: &str| {
        // In another tick of the file system's clock than what was written before.
        std::thread::sleep(std::time::Duration::from_millis(20));
        let before = count(counted);
        std::fs::write(&tables, bytes).expect("written in place");
        while count(counted) == before {
            assert_eq!(served.post("/predict/m", ROW).body, answer);
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
        // Not the older version either.
        assert_eq!(served.post("/predict/m", ROW).body, answer);
    };
    let mut flipped = good.clone();
    *flipped.last_mut().expect("a byte") ^= 1;
    for damage in [&[][..], &good[..good.len() / 2], &vec![0; good.len()], &flipped] {
        write(damage, "refusals");
        write(&good, "loads");
    }
}
