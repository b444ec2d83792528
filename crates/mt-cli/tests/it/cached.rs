//! Rows on disk: `data.cache` in `mt`.

use crate::support::Folder;

const CACHE: &str = "data.cache={memory: 16KiB}";

#[test]
fn a_cache_is_built_ahead_found_again_and_trained_from() {
    let folder = Folder::tiny();
    let said = folder.mt(&["data", "cache", "tiny.yaml", "--set", CACHE]);
    assert!(said.err.contains("the cache ") && said.err.contains(" was built"), "{}", said.err);
    assert!(said.out.contains(" training rows in cache/"), "{}", said.out);
    let said = folder.mt(&["train", "tiny.yaml", "--set", CACHE, "--run-dir", "disk"]);
    assert!(said.err.contains("rows from the cache "), "{}", said.err);
    folder.mt(&["train", "tiny.yaml", "--run-dir", "memory"]).done();
    for file in ["weights.safetensors", "state.json"] {
        let of = |run: &str| folder.bytes(&format!("{run}/checkpoints/epoch-002/{file}"));
        assert!(of("disk") == of("memory"), "{file}");
    }
    // A run that goes on knows its rows, and finds them.
    let set = ["--extend", "--set", "train.epochs=3"];
    let said = folder.mt(&[&["train", "--resume", "disk"], &set[..]].concat());
    assert!(said.err.contains("rows from the cache "), "{}", said.err);
    folder.mt(&[&["train", "--resume", "memory"], &set[..]].concat()).done();
    let last = |run: &str| folder.bytes(&format!("{run}/checkpoints/epoch-003/weights.safetensors"));
    assert!(last("disk") == last("memory"));
    // So do the rows that were set aside.
    let of = |run: &str| folder.mt(&["eval", "--run", run, "--json"]).out;
    assert_eq!(of("disk").replace("disk", ""), of("memory").replace("memory", ""));
}

#[test]
fn what_cannot_be_is_refused_with_the_key() {
    let folder = Folder::tiny();
    let refused = |args: &[&str], code: i32, message: &str| {
        let said = folder.mt(args);
        assert!(said.code == Some(code) && said.err.contains(message), "{message}: {}", said.err);
    };
    let train = |set: &str, message: &str| refused(&["train", "tiny.yaml", "--set", set], 2, message);
    train("data.cache={memory: 2GB}", "expected bytes such as 512MiB or 2GiB, found \"2GB\"");
    train("data.cache={memory: 0}", "expected bytes such as 512MiB or 2GiB");
    train("data.cache={limit: 1}", "limit");
    refused(&["data", "cache", "tiny.yaml"], 2, "the configuration has no data.cache");
    refused(&["data", "stats", "tiny.yaml", "--set", CACHE], 2, "take data.cache out of the configuration");
    folder.write("file", "");
    let within_a_file = ["train", "tiny.yaml", "--set", "data.cache={dir: file/cache}"];
    refused(&within_a_file, 1, "file/cache: cannot make the folder");
}
