//! Mistakes in what was typed or configured: exit code 2, and nothing is left behind.

use crate::support::{Folder, TINY};

/// The message for `tiny.yaml` with `from` replaced by `to`.
fn refused(from: &str, to: &str, message: &str) {
    let folder = Folder::tiny();
    assert!(TINY.contains(from), "{from}");
    folder.write("tiny.yaml", TINY.replace(from, to));
    folder.refuses(&["train", "tiny.yaml", "--run-dir", "run"], 2, message);
}

#[test]
fn a_configuration_that_is_not_there_is_named() {
    let folder = Folder::new();
    let message = "none.yaml: cannot read the configuration: No such file or directory (os error 2)";
    for command in ["train", "compare", "inspect"] {
        folder.refuses(&[command, "none.yaml"], 2, message);
    }
    folder.refuses(&["data", "stats", "none.yaml"], 2, message);
}

#[test]
fn an_unknown_key_is_named_with_its_place_and_the_nearest_valid_one() {
    refused(
        "experts: 2",
        "expertz: 2",
        "tiny.yaml:11:12: model.expertz: mmoe has no such key; did you mean \"experts\"? (it takes experts, expert, gate, \
         temperature, gate_fields, embedding, attention, self_attention, stages, tower, tower_fields, init, norm, budget)",
    );
    refused(
        "kind: mmoe",
        "kind: mmoo",
        "tiny.yaml:10:9: model.kind: unknown value \"mmoo\"; did you mean \"mmoe\"? (expected one of: shared-bottom, \
         single-task, mmoe, cgc, ple, aitm, ppnet, dbmtl)",
    );
}

#[test]
fn a_value_of_the_wrong_type_or_out_of_range_is_named_with_its_place() {
    refused(
        "experts: 2",
        "experts: many",
        "tiny.yaml:11:12: model.experts: invalid type: string \"many\", expected usize",
    );
    refused("experts: 2", "experts: 0", "tiny.yaml:11:12: model.experts: expected 1 to 1024, found 0");
    refused(
        "batch_size: 32",
        "batch_size: 32000000",
        "tiny.yaml:15:15: train.batch_size: expected 1 to 1048576, found 32000000",
    );
    refused(
        "valid_fraction: 0.25",
        "valid_fraction: 0.8",
        "tiny.yaml:4:19: data.valid_fraction + data.test_fraction: expected a sum below 1 (something must be left \
         to train on), found 1.05",
    );
    refused(
        "batch_size: 32",
        "task_weights: {watched: 0, liked: 0}",
        "tiny.yaml:15:17: train.task_weights: expected a weight above 0 for at least one task, found only 0",
    );
}

#[test]
fn a_key_of_another_kind_of_model_is_refused_with_the_kinds_own() {
    refused(
        "experts: 2",
        "levels: 2",
        "tiny.yaml:11:11: model.levels: mmoe has no such key (it takes experts, expert, gate, temperature, \
         gate_fields, embedding, attention, self_attention, stages, tower, tower_fields, init, norm, budget)",
    );
}

#[test]
fn task_names_that_cannot_be_are_refused_with_their_place() {
    refused("name: liked", "name: watched", "tiny.yaml:8:10: tasks: two tasks are named \"watched\"");
    refused(
        "name: liked",
        "name: shared",
        "tiny.yaml:8:10: tasks: \"shared\" cannot name a task: it is reserved for the experts that all tasks share",
    );
    refused(
        "- {name: watched, label: watched}\n- {name: liked, label: liked}",
        "  []",
        "tiny.yaml:7:3: tasks: at least one task is needed",
    );
}

#[test]
fn columns_that_do_not_fit_the_tasks_are_usage_errors() {
    refused(
        "label: liked",
        "label: like",
        "tasks.liked.label: no column \"like\" in rows.csv; did you mean \"liked\"?",
    );
    refused(
        "label: liked",
        "label: 5",
        "tasks.liked.label: no column 5 in rows.csv, which has 5 columns, counted from 0",
    );
    refused(
        "label: liked",
        "label: watched",
        "tasks \"watched\" and \"liked\" have the same label column \"watched\"",
    );
    refused(
        "{train: rows.csv}",
        "{train: rows.csv, features: [a, liked]}",
        "features: column \"liked\" is the label of task \"liked\"; it cannot be a feature",
    );
    refused(
        "{train: rows.csv}",
        "{train: rows.csv, exclude: [a, b, c]}",
        "rows.csv: no column is left as a feature",
    );
}

#[test]
fn a_bad_override_is_named_as_it_was_typed() {
    let cases = [
        ("train.epochs", "expected key=value"),
        ("train.epochs=two", "invalid type: string \"two\", expected usize"),
        (
            "train.select.task_=liked",
            "unknown key \"task_\"; did you mean \"task\"? (expected one of: metric, task, weights)",
        ),
        ("model.expert=[16, x]", "model.expert: invalid type: string \"x\", expected usize"),
        ("model.expert=16", "model.expert: invalid type: integer `16`, expected a sequence"),
        ("tasks[2].name=x", "\"tasks[2].name\": \"tasks\" has 2 entries"),
        ("model.experts=0", "model.experts: expected 1 to 1024, found 0"),
        ("model.experts=1025", "model.experts: expected 1 to 1024, found 1025"),
        ("data.synth.rows=9", "data: exactly one of `csv`, `parquet` and `synth` is needed, found several"),
        ("name=../run", "name: expected the name of a folder, without slashes, found \"../run\""),
        ("tasks[1].name=watched", "tasks: two tasks are named \"watched\""),
    ];
    let folder = Folder::tiny();
    for (set, problem) in cases {
        folder.refuses(
            &["train", "tiny.yaml", "--run-dir", "run", "--set", set],
            2,
            &format!("--set {set}: {problem}"),
        );
    }
}

#[test]
fn a_budget_that_nothing_fits_is_refused_before_a_folder_is_made() {
    let folder = Folder::tiny();
    let message = "model.budget: expected at least 74 parameters for this shape, found 10";
    let set = ["--set", "model.budget=10"];
    folder.refuses(&[&["train", "tiny.yaml", "--run-dir", "run"], &set[..]].concat(), 2, message);
    folder.refuses(&[&["compare", "tiny.yaml", "--out", "out"], &set[..]].concat(), 2, message);
    folder.refuses(&[&["inspect", "tiny.yaml"], &set[..]].concat(), 2, message);
}

#[test]
fn unknown_commands_options_and_devices_are_usage_errors() {
    let folder = Folder::trained();
    for args in
        [&["fly"][..], &["train"], &["train", "tiny.yaml", "--epochs", "3"], &["--threads", "0", "train"]]
    {
        let said = folder.mt(args);
        assert_eq!((said.code, said.out.as_str()), (Some(2), ""), "{args:?}");
        assert!(said.err.starts_with("error: "), "{}", said.err);
    }
    folder.refuses(
        &["eval", "--run", "run", "--device", "tpu"],
        2,
        "--device tpu: expected cpu, cuda or cuda:N",
    );
    folder.refuses(
        &["data", "synth", "--correlation=-3", "--out", "x.csv"],
        2,
        "data.synth.correlation: expected -1 to 1, found -3",
    );
}

#[test]
fn sizes_beyond_the_machine_are_refused_before_memory_is_asked_for() {
    let folder = Folder::tiny();
    folder.write("users.csv", "watched,liked,user,a\n1,0,7,0.5\n0,1,8,0.25\n1,1,9,1\n0,0,7,2\n");
    let text = TINY.replace("rows.csv", "users.csv").replace("fraction: 0.25", "fraction: 0");
    folder.write(
        "users.yaml",
        text.replace("  valid_f", "  fields: [{column: user, encode: {hash: 4000000000}}]\n  valid_f"),
    );
    let train = |set: &[&str], config: &str| {
        let args: Vec<&str> = ["train", config, "--run-dir", "run"]
            .into_iter()
            .chain(set.iter().flat_map(|set| ["--set", set]))
            .collect();
        let started = std::time::Instant::now();
        let said = folder.mt(&args);
        assert!(started.elapsed().as_secs() < 20 && !folder.path("run").exists(), "{args:?}");
        assert_eq!(said.code, Some(2), "{args:?}: {}", said.err);
        said.err
    };
    let wide = "model.embedding={width: 4096}";
    let said = train(&[wide], "users.yaml");
    assert!(said.starts_with("error: data.fields + model.embedding: training takes at least "), "{said}");
    assert!(
        said.contains(
            "most of it for table \"user\", 4000000002 rows of 4096 values and their state, and there are "
        ),
        "{said}"
    );
    let said = train(&["model.experts=1024", "model.expert=[65536, 65536]"], "tiny.yaml");
    assert!(said.starts_with("error: model: training takes at least "), "{said}");
    let said = train(&["data={synth: {rows: 4000000000}}", "tasks=[{name: like, label: like}]"], "tiny.yaml");
    assert!(said.starts_with("error: data.synth.rows: expected as many rows as memory has room for, found 4000000000, which take "), "{said}");
    for (set, at) in [
        ("model.experts=1000000000000", "model.experts: expected 1 to 1024"),
        ("model.embedding={width: 1000000000000}", "model.embedding.width: expected 1 to 65536"),
        ("train.batch_size=1000000000000", "train.batch_size: expected 1 to 1048576"),
        ("train.shards=1000000000000", "train.shards: expected a power of two that divides"),
        (
            "data.fields=[{column: user, encode: {hash: 4294967295}}]",
            "data.fields[0].encode.hash: expected 1 to 4294967293",
        ),
        (
            "data.fields=[{column: user, encode: {growing: {capacity: 4294967295}}}]",
            "data.fields[0].encode.growing.capacity: expected ",
        ),
    ] {
        let said = train(&[set], "users.yaml");
        assert!(said.contains(at), "{set}: {said}");
    }
}

#[test]
fn brackets_nested_without_end_are_refused_at_once() {
    let folder = Folder::tiny();
    for (text, place) in [
        ("[".repeat(100_000), "1:65"),
        (format!("version: 1\ndata: {}", "{a: ".repeat(25_000)), "2:263"),
        (format!("{}{}", "[".repeat(50_000), "]".repeat(50_000)), "1:65"),
    ] {
        folder.write("deep.yaml", text);
        let started = std::time::Instant::now();
        folder.refuses(
            &["inspect", "deep.yaml"],
            2,
            &format!("deep.yaml:{place}: nested deeper than any configuration"),
        );
        assert!(started.elapsed().as_secs() < 5);
    }
    let (value, path) = (format!("name={}", "[".repeat(50_000)), format!("a{}=1", ".a".repeat(30_000)));
    for set in [value, path] {
        folder.refuses(
            &["inspect", "tiny.yaml", "--set", &set],
            2,
            "--set: nested deeper than any configuration",
        );
    }
}

#[test]
fn more_threads_than_can_be_of_use_are_refused() {
    let folder = Folder::tiny();
    for threads in ["100000", "4294967296"] {
        let said = folder.mt(&["--threads", threads, "inspect", "tiny.yaml"]);
        assert_eq!(said.code, Some(2));
        assert!(said.err.starts_with("error: --threads: expected 1 to "), "{}", said.err);
    }
    folder.mt(&["--threads", "8", "inspect", "tiny.yaml"]).done();
}

#[test]
fn a_byte_order_mark_in_front_of_a_configuration_is_no_part_of_it() {
    let folder = Folder::tiny();
    folder.write("tiny.yaml", format!("\u{feff}{TINY}"));
    folder.mt(&["inspect", "tiny.yaml"]).done();
    folder.write("tiny.yaml", format!("\u{feff}{}", TINY.replace("epochs: 2", "epochs: 0")));
    folder.refuses(
        &["inspect", "tiny.yaml"],
        2,
        "tiny.yaml:14:11: train.epochs: expected at least 1, found 0",
    );
}

#[test]
fn limits_of_a_service_that_no_machine_has_room_for_are_refused() {
    let folder = Folder::tiny();
    for limit in ["--max-requests", "--max-connections"] {
        for n in ["0", "18446744073709551615"] {
            let said = folder.mt(&["serve", "--bundle", "none", limit, n]);
            assert_eq!(said.code, Some(2));
            assert!(said.err.contains("expected 1 to 1000000"), "{}", said.err);
        }
    }
}
