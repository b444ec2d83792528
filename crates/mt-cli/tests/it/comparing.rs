//! `mt compare`.

use crate::support::{Folder, Said};

const SYNTH: &str = "\
version: 1
data:
  synth: {rows: 2000}
tasks:
- {name: completion, label: completion}
- {name: like, label: like}
model: {kind: KIND}
train: {epochs: 1, batch_size: 128}
";

fn three() -> Folder {
    let folder = Folder::new();
    for (name, kind) in
        [("a", "shared-bottom, bottom: [8]"), ("b", "mmoe, expert: [4]"), ("c", "ple, expert: [4]")]
    {
        folder.write(&format!("{name}.yaml"), SYNTH.replace("KIND", kind));
    }
    folder
}

#[test]
fn a_comparison_is_a_table_on_the_screen_and_in_files() {
    let folder = three();
    let out = folder.mt(&["compare", "a.yaml", "b.yaml", "c.yaml", "--out", "out"]).done();
    let files: Vec<String> = folder.files("out").into_iter().filter(|file| !file.contains('/')).collect();
    assert_eq!(files, [".lock", "report.html", "table.csv", "table.json", "table.md"]);
    for model in ["a", "b", "c"] {
        assert!(
            folder.path(&format!("out/{model}/seed-1/checkpoints/epoch-001/weights.safetensors")).exists()
        );
    }
    assert!(out.contains("best possible test AUC of this generated data: completion 0."), "{out}");
    assert!(out.contains("3 runs in ") && out.contains("tables and runs in out"), "{out}");

    let csv = folder.read("out/table.csv");
    let header =
        "model,parameters,task,test AUC,95 % (rows only),vs a,p (rows only),log loss,train AUC,rows/s,time";
    assert_eq!(csv.lines().next(), Some(header));
    assert_eq!(csv.lines().count(), 1 + 3 * 2);
    let markdown = folder.read("out/table.md");
    let (table, caveat) = markdown.split_once("\n\n").expect("both");
    assert_eq!(table.lines().count(), 2 + 3 * 2);
    assert!(table.lines().all(|line| line.starts_with('|') && line.ends_with('|')), "{markdown}");
    assert!(caveat.starts_with("one seed each: ") && out.contains(caveat), "{markdown}");

    let json: serde_json::Value = serde_json::from_str(&folder.read("out/table.json")).expect("JSON");
    let rows = json.as_array().expect("rows");
    let names: Vec<_> = rows.iter().map(|row| (row["model"].as_str(), row["task"].as_str())).collect();
    let pair = |model| [(Some(model), Some("completion")), (Some(model), Some("like"))];
    assert_eq!(names, [pair("a"), pair("b"), pair("c")].concat());
    for row in rows {
        let auc = row["auc"].as_f64().expect("a number");
        assert!(out.contains(&format!("{auc:.4}")) && markdown.contains(&format!("{auc:.4}")));
        assert!(row["auc_sd"].is_null(), "one seed has no deviation");
        let interval = |i: usize| row["auc_interval"][i].as_f64().expect("a number");
        assert!(interval(0) < auc && auc < interval(1));
        assert_eq!(row["p_value"].is_null(), row["model"] == "a");
    }
}

/// What says that a model is better or worse.
const VERDICTS: [&str; 7] = ["wins", "loses", "stays", "gain", "Gain", "beats", "p < 0.05"];

#[test]
fn one_seed_gives_no_verdict_in_any_form() {
    let folder = three();
    // Trained for so much longer that their rows differ.
    folder.write(
        "a.yaml",
        SYNTH.replace("KIND", "shared-bottom, bottom: [8]").replace("epochs: 1", "epochs: 9"),
    );
    let out = folder.mt(&["compare", "a.yaml", "b.yaml", "--out", "out"]).done();
    assert!(out.contains("┆ p (rows only) ┆"), "{out}");
    let page = folder.read("out/report.html");
    let body = page.split_once("<body").expect("a page").1;
    for (name, text) in
        [("screen", out.as_str()), ("table.md", &folder.read("out/table.md")), ("report.html", body)]
    {
        let said = VERDICTS.iter().filter(|word| text.contains(**word)).collect::<Vec<_>>();
        assert!(said.is_empty(), "{name}: {said:?}\n{text}");
        assert!(
            text.contains("p and intervals are over rows only, of these trained models"),
            "{name}: {text}"
        );
    }
    assert!(body.contains("<h2>Difference to a</h2>") && body.contains("over the rows only"), "{body}");
    let json: serde_json::Value = serde_json::from_str(&folder.read("out/table.json")).expect("JSON");
    let rows = json.as_array().expect("rows");
    assert!(rows.iter().any(|row| row["p_value"].as_f64().is_some_and(|p| p < 0.05)), "{json}");
    for row in rows {
        assert_eq!(row["p_over"], "rows", "{row}");
        assert!(row["outcome"].is_null() && row["degrees_of_freedom"].is_null(), "{row}");
    }
}

#[test]
fn runs_of_the_same_seed_are_compared_with_each_other() {
    let folder = Folder::tiny();
    // Nearly the same training, so that what a seed does to one it does to the other.
    let vary = ["--vary", "train.optimizer.lr=[0.03, 0.0303]", "--seeds", "3", "--json", "--out", "out"];
    let table = folder.mt(&[&["compare", "tiny.yaml"], &vary[..]].concat()).json().remove(0);
    let rows = table.as_array().expect("rows");
    for (row, base) in rows[2..].iter().zip(rows) {
        let number = |value: &serde_json::Value| value.as_f64().expect("a number");
        let interval = number(&row["difference_interval"][1]) - number(&row["difference_interval"][0]);
        assert!(interval < number(&base["auc_sd"]), "{row}");
    }
}

/// The p-values of a configuration against itself with other seeds, two tasks of each of `comparisons`.
fn against_itself(seeds: usize, comparisons: usize) -> Vec<f64> {
    let folder = Folder::tiny();
    let p_value = |row: serde_json::Value| row["p_value"].as_f64();
    let compare = |i: usize| {
        let first = 1 + 2 * seeds * i;
        let vary = format!("train.seed=[{first}, {}]", first + seeds);
        let args = ["compare", "tiny.yaml", "--out", &i.to_string(), "--json", "--vary", &vary, "--seeds"];
        let table = folder.mt(&[&args[..], &[&seeds.to_string()]].concat()).json().remove(0);
        let rows = table.as_array().expect("rows").clone();
        rows.into_iter().filter_map(p_value).collect::<Vec<_>>()
    };
    (0..comparisons).flat_map(compare).collect()
}

#[test]
fn a_configuration_with_other_seeds_seldom_differs_from_itself() {
    let below = |p_values: &[f64]| p_values.iter().filter(|p| **p < 0.05).count();
    let p_values = against_itself(3, 20);
    assert_eq!(p_values.len(), 40);
    assert!(below(&p_values) <= 6, "{p_values:?}");
    // The test over rows, which one seed leaves, often tells two runs of one configuration apart.
    let p_values = against_itself(1, 20);
    assert!(below(&p_values) >= 8, "{p_values:?}");
}

#[test]
fn several_seeds_give_a_standard_deviation() {
    let folder = three();
    let args = ["compare", "a.yaml", "b.yaml", "--out", "out", "--seeds", "2", "--json"];
    let said = folder.mt(&args);
    assert_eq!(said.err, "");
    let table = said.json();
    for row in table[0].as_array().expect("rows") {
        assert_eq!(row["seeds"], 2);
        assert!(row["auc_sd"].as_f64() > Some(0.0), "{row}");
        assert_eq!(row["p_over"], "rows-and-seeds", "{row}");
        let freedom = row["degrees_of_freedom"].as_f64();
        assert_eq!(freedom.is_some_and(|freedom| freedom >= 1.0), row["model"] != "a", "{row}");
    }
    let markdown = folder.read("out/table.md");
    assert!(markdown.contains("gain over a, at p < 0.05:\n- b: "), "{markdown}");
    assert!(markdown.contains("two seeds each may leave a single degree of freedom"), "{markdown}");
    assert!(folder.path("out/b/seed-2/config.yaml").exists());
    assert!(folder.read("out/table.md").contains('±'));
    assert!(folder.read("out/b/seed-2/config.yaml").contains("seed: 2"));
}

#[test]
fn what_cannot_be_compared_is_refused_before_anything_is_trained() {
    let folder = three();
    let compare = |other: &str, message: &str| {
        folder.refuses(&["compare", "a.yaml", other, "--out", "out"], 2, message);
    };
    folder.write("one.yaml", SYNTH.replace("KIND", "mmoe").replace("- {name: like, label: like}\n", ""));
    compare("one.yaml", "a.yaml and one.yaml predict different tasks and cannot be compared");
    folder.write("x.yaml", SYNTH.replace("KIND", "mmoo"));
    let said: Said = folder.mt(&["compare", "a.yaml", "x.yaml", "--out", "out"]);
    assert_eq!(said.code, Some(2));
    assert!(said.err.starts_with("error: x.yaml:7:15: model.kind: unknown value \"mmoo\""), "{}", said.err);
    compare("a.yaml", "a.yaml is given twice");
    assert!(!folder.path("out").exists());
    folder.write(
        "none.yaml",
        SYNTH.replace("KIND", "mmoe").replace("tasks:", "  test_fraction: 0\n  valid_fraction: 0\ntasks:"),
    );
    folder.refuses(
        &["compare", "none.yaml", "--out", "out"],
        2,
        "none: needs test or validation rows to compare on",
    );
}

#[test]
fn models_with_other_test_rows_are_not_compared() {
    let folder = three();
    let other = ["compare", "a.yaml", "seed.yaml", "--out", "out"];
    folder.write("seed.yaml", SYNTH.replace("KIND", "mmoe").replace("{rows: 2000}", "{rows: 2000, seed: 2}"));
    let said = folder.mt(&other);
    assert_eq!((said.code, said.out.as_str()), (Some(2), ""));
    let message = "error: seed: has other test rows than the one before; cannot be compared";
    assert_eq!(said.err.lines().last(), Some(message));
}

#[test]
fn a_configuration_is_compared_with_itself_under_other_values() {
    let folder = Folder::tiny();
    let vary = ["--vary", "model.experts=[2, 3]", "--vary", "model.gate=[[], [4]]"];
    folder.mt(&[&["compare", "tiny.yaml", "--out", "out"], &vary[..]].concat()).done();
    let table: serde_json::Value = serde_json::from_str(&folder.read("out/table.json")).expect("JSON");
    let mut models: Vec<&str> =
        table.as_array().expect("rows").iter().filter_map(|row| row["model"].as_str()).collect();
    models.dedup();
    let expected = ["experts=2 gate=[]", "experts=2 gate=[4]", "experts=3 gate=[]", "experts=3 gate=[4]"];
    assert_eq!(models, expected.map(|varied| format!("tiny {varied}")));
    folder.refuses(
        &["compare", "tiny.yaml", "--vary", "model.experts=[0]"],
        2,
        "--set model.experts=0: model.experts: expected 1 to 1024, found 0",
    );
}

#[test]
fn a_gate_gains_where_tabs_want_different_things_and_not_where_there_are_none() {
    let folder = Folder::new();
    let tabs: Vec<String> = (0..8).map(|tab| format!("tab_{tab}")).collect();
    let tabs = tabs.join(", ");
    let compare = |contexts: usize, out: &str| {
        let gates = match contexts {
            1 => String::new(),
            _ => format!(", gate_fields: {{completion: [{tabs}], like: [{tabs}]}}"),
        };
        let kinds = ["shared-bottom, bottom: [117]".to_owned(), format!("mmoe, experts: 8{gates}")];
        for (name, kind) in ["a.yaml", "b.yaml"].into_iter().zip(kinds) {
            let rows = format!("{{rows: 40000, interaction: 0, correlation: 0, contexts: {contexts}}}");
            let yaml = SYNTH.replace("{rows: 2000}", &rows).replace("KIND", &format!("{kind}, budget: 3000"));
            folder.write(name, yaml.replace("epochs: 1", "epochs: 3, optimizer: {kind: adam, lr: 0.005}"));
        }
        let table = folder.mt(&["compare", "a.yaml", "b.yaml", "--out", out, "--json"]).json();
        assert_eq!((&table[0][2]["model"], &table[0][2]["task"]), (&"b".into(), &"completion".into()));
        table[0][2]["difference"].as_f64().expect("a number")
    };
    let (without, with) = (compare(1, "one"), compare(8, "eight"));
    assert!(without < 0.003 && with > 0.01, "{without} without tabs, {with} with eight");
}
