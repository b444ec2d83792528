//! What a run and a comparison leave to look at: pages, event files, the seesaw.

use crate::support::{Folder, TINY};

const HOSTILE: &str = "<script>alert('a')</script>";

/// Nothing on the page is fetched from anywhere, run, or left open.
fn stands_alone(page: &str) {
    assert!(page.starts_with("<!DOCTYPE html>") && page.ends_with("</html>\n"));
    for outside in ["http:", "https:", "src=", "@import", "url(", "<script", "<link rel=\"style"] {
        assert!(!page.contains(outside), "{outside}");
    }
    for element in ["section", "figure", "svg", "table", "tr", "dl", "div", "ul", "li", "details", "style"] {
        let (opened, closed) = (format!("<{element}"), format!("</{element}>"));
        let opened = page
            .match_indices(&opened)
            .filter(|(at, text)| !page[at + text.len()..].starts_with(|c: char| c.is_ascii_alphanumeric()));
        assert_eq!(opened.count(), page.matches(&closed).count(), "{element}");
    }
    assert!(!page.contains("NaN") && !page.contains("inf"), "{page}");
}

/// The figures of a page by their titles.
fn figures(page: &str) -> Vec<&str> {
    let titles = page.split("<figcaption>").skip(1);
    titles.filter_map(|rest| Some(rest.split_once("</figcaption>")?.0)).collect()
}

#[test]
fn a_run_leaves_a_page_with_curves_of_every_task() {
    let folder = Folder::tiny();
    folder.mt(&["train", "tiny.yaml", "--run-dir", "run", "--set", "train.log_every=1"]).done();
    let page = folder.read("run/report.html");
    stands_alone(&page);
    let of_task = ["Loss", "AUC", "ROC, test rows", "Calibration, test rows"];
    let gates = ["Gate of liked, level 0", "Gate of watched, level 0"];
    let gradients = ["Norm by part of the model", "Cosine between tasks"];
    assert_eq!(figures(&page), [&of_task[..], &of_task, &gates, &gradients].concat());
    for part in [
        "<h1>tiny</h1>",
        "mmoe on 2 tasks, seed 1",
        "<h3>watched</h3>",
        "<h3>liked</h3>",
        "<caption>test rows</caption>",
        "<caption>validation rows</caption>",
        "label: watched",
        "<dt>processor</dt>",
        "<dt>threads</dt><dd>1</dd>",
    ] {
        assert!(page.contains(part), "{part}");
    }
    let summary: serde_json::Value = serde_json::from_str(&folder.read("run/summary.json")).expect("JSON");
    let auc = summary["test"]["liked"]["auc"].as_f64().expect("a number");
    assert!(page.contains(&format!("<td>{auc:.5}</td>")));
}

#[test]
fn a_run_without_other_rows_than_those_for_training_has_a_page() {
    let folder = Folder::tiny();
    let none = ["--set", "data.valid_fraction=0", "--set", "data.test_fraction=0"];
    folder.mt(&[&["train", "tiny.yaml", "--run-dir", "run"], &none[..]].concat()).done();
    let page = folder.read("run/report.html");
    stands_alone(&page);
    assert_eq!(figures(&page)[..4], ["Loss", "AUC", "Loss", "AUC"]);
}

#[test]
fn names_cannot_break_out_of_a_page() {
    let folder = Folder::tiny();
    folder.write("hostile.yaml", format!("name: \"{}\"\n{TINY}", HOSTILE.replace('/', "\u{2215}")));
    let hostile = TINY.replace("name: liked", "name: \"<img/src=x>\"".replace('/', "\u{2215}").as_str());
    folder.write("task.yaml", format!("name: \"</title>\"\n{hostile}").replace("</", "<\u{2215}"));
    folder.mt(&["train", "hostile.yaml", "--run-dir", "run"]).done();
    let page = folder.read("run/report.html");
    stands_alone(&page);
    assert!(page.contains("<h1>&lt;script&gt;alert(&#39;a&#39;)&lt;\u{2215}script&gt;</h1>"));
    folder.mt(&["train", "task.yaml", "--run-dir", "task"]).done();
    assert!(!folder.read("task/report.html").contains("<img"));
}

#[test]
fn a_comparison_leaves_a_page_with_gains_and_links_to_its_runs() {
    let folder = Folder::tiny();
    folder.write(
        "single task.yaml",
        TINY.replace("kind: mmoe\n  experts: 2\n  expert: [4]", "kind: single-task"),
    );
    let args = ["compare", "tiny.yaml", "single task.yaml", "--out", "out", "--seeds", "2"];
    let out = folder.mt(&args).done();
    let page = folder.read("out/report.html");
    stands_alone(&page);
    let of_task = ["AUC, validation rows", "Loss, training rows", "ROC, test rows", "Calibration, test rows"];
    assert_eq!(figures(&page), [&["watched", "liked"][..], &of_task, &of_task].concat());
    assert!(page.contains("<h2>Gain over single task</h2>"));
    for run in ["tiny/seed-1", "tiny/seed-2", "single%20task/seed-1"] {
        assert!(page.contains(&format!("<a href=\"{run}/report.html\">")), "{run}");
        stands_alone(&folder.read(&format!("out/{}/report.html", run.replace("%20", " "))));
    }

    // The single-task model is what the others are compared with, wherever it stands.
    let rows: serde_json::Value = serde_json::from_str(&folder.read("out/table.json")).expect("JSON");
    for row in rows.as_array().expect("rows") {
        let baseline = row["model"] == "single task";
        for key in ["difference", "difference_interval", "p_value", "outcome"] {
            assert_eq!(row[key].is_null(), baseline, "{key} of {row}");
        }
        if !baseline {
            let number = |value: &serde_json::Value| value.as_f64().expect("a number");
            let (gain, interval) = (number(&row["difference"]), &row["difference_interval"]);
            assert!(number(&interval[0]) <= gain && gain <= number(&interval[1]));
            let moved = number(&interval[0]) > 0.0 || number(&interval[1]) < 0.0;
            assert_eq!(row["outcome"] != "stays", moved, "{row}");
        }
    }
    let verdict = out.lines().map(str::trim).find(|line| line.starts_with("tiny: ")).expect("a sentence");
    assert!(verdict.contains("watched") && verdict.contains("liked"), "{verdict}");
    assert!(page.contains(&format!("<li>{verdict}</li>")), "{verdict}");
}

#[test]
fn event_files_hold_whole_records_with_every_tasks_scalars() {
    let folder = Folder::tiny();
    let train = ["train", "tiny.yaml", "--run-dir", "run", "--tensorboard", "--set", "train.log_every=1"];
    folder.mt(&train).done();
    let files = folder.files("run/tensorboard");
    assert_eq!(files.len(), 1);
    assert!(files[0].starts_with("events.out.tfevents."), "{files:?}");
    let bytes = folder.bytes(&format!("run/tensorboard/{}", files[0]));
    let records = records(&bytes);
    // The version, seven steps, the gates' health and an epoch, twice.
    assert_eq!(records.len(), 1 + 2 * (7 + 2));
    assert!(records[0].ends_with(b"brain.Event:2"));
    let has = |record: &[u8], tag: &str| record.windows(tag.len()).any(|text| text == tag.as_bytes());
    for tag in ["train_loss", "watched/train_loss", "watched/train_auc", "liked/train_loss"] {
        assert!(has(records[1], tag), "{tag}");
    }
    assert!(has(records[8], "level_0/effective_rank") && has(records[8], "level_0/entropy_liked"));
    for tag in ["rows_per_second", "watched/valid_auc", "liked/valid_auc", "liked/valid_log_loss"] {
        assert!(has(records[9], tag), "{tag}");
    }

    // What goes on begins a file of its own; without the flag there is none.
    folder.mt(&["train", "tiny.yaml", "--run-dir", "without"]).done();
    assert!(!folder.path("without/tensorboard").exists());
}

/// The data of every record, its checksums checked bit by bit.
fn records(mut bytes: &[u8]) -> Vec<&[u8]> {
    let mut records = Vec::new();
    let checked = |data: &[u8], stored: &[u8]| {
        let mut crc = !0_u32;
        for byte in data {
            crc ^= u32::from(*byte);
            (0..8).for_each(|_| crc = if crc & 1 == 1 { (crc >> 1) ^ 0x82f6_3b78 } else { crc >> 1 });
        }
        let masked = (!crc).rotate_right(15).wrapping_add(0xa282_ead8);
        assert_eq!(masked.to_le_bytes(), stored);
    };
    while !bytes.is_empty() {
        let (head, rest) = bytes.split_at(12);
        checked(&head[..8], &head[8..]);
        let length = u64::from_le_bytes(head[..8].try_into().expect("eight bytes")) as usize;
        let (data, rest) = rest.split_at(length);
        checked(data, &rest[..4]);
        records.push(data);
        bytes = &rest[4..];
    }
    records
}
