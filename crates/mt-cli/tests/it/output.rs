//! Output that nobody takes: full disks, closed pipes, devices.
#![cfg(unix)]

use std::fs::File;
use std::os::unix::fs::FileTypeExt;
use std::process::{Command, Stdio};

use crate::support::{Folder, Said, rows};

#[test]
fn a_full_disk_is_an_error() {
    let folder = Folder::trained();
    let predict = ["predict", "--run", "run", "--input", "rows.csv"];
    let full = "No space left on device (os error 28)";
    let message = |path| format!("error: {path}: cannot be written: {full}\n");
    let said = folder.mt(&[&predict[..], &["--output", "/dev/full"]].concat());
    assert_eq!((said.code, said.err), (Some(1), message("/dev/full")));
    assert!(
        std::fs::metadata("/dev/full").is_ok_and(|data| data.file_type().is_char_device()),
        "a device stays one"
    );

    let to_full = |args: &[&str]| {
        let device = File::options().write(true).open("/dev/full").expect("a device");
        Said::of(folder.command(args).stdout(device).output().expect("the program starts"))
    };
    let said = to_full(&predict);
    assert_eq!((said.code, said.err), (Some(1), message("standard output")));
    let said = to_full(&["eval", "--run", "run"]);
    assert_eq!((said.code, said.err), (Some(1), format!("error: cannot write to standard output: {full}\n")));
    // What is printed on the way is lost; the run is not.
    let said = to_full(&["train", "tiny.yaml", "--run-dir", "unread", "--json"]);
    assert_eq!(said.code, Some(1));
    assert!(folder.path("unread/checkpoints/epoch-002/weights.safetensors").exists());
    assert!(folder.path("unread/summary.json").exists());
}

/// The program where no file may grow beyond some tens of kB: a full disk that needs no rights to set up.
fn cramped(folder: &Folder, args: &[&str]) -> Said {
    // A signal that is ignored stays so in the program, which then gets an error instead.
    let script = "trap '' XFSZ; ulimit -f 64; exec \"$0\" \"$@\"";
    let program = folder.command(args);
    let mut shell = Command::new("sh");
    shell.args(["-c", script]).arg(program.get_program()).args(program.get_args());
    Said::of(shell.current_dir(folder.path("")).output().expect("a shell"))
}

#[test]
fn a_disk_that_fills_up_in_the_middle_leaves_no_half_file() {
    let folder = Folder::trained();
    folder.write("new.csv", rows(20_000, 2));
    folder.write("out.csv", "older");
    let before = folder.files("");
    let full = "File too large (os error 27)";
    let predict = cramped(&folder, &["predict", "--run", "run", "--input", "new.csv", "--output", "out.csv"]);
    assert_eq!(
        (predict.code, predict.err),
        (Some(1), format!("error: out.csv: cannot be written: {full}\n"))
    );
    let synth = cramped(&folder, &["data", "synth", "--rows", "20000", "--out", "synth.csv"]);
    assert_eq!((synth.code, synth.err), (Some(1), format!("error: synth.csv: cannot be written: {full}\n")));
    assert_eq!(folder.files(""), before);
    assert_eq!(folder.read("out.csv"), "older");

    let train =
        cramped(&folder, &["train", "tiny.yaml", "--run-dir", "large", "--set", "model.expert=[4096]"]);
    assert_eq!(train.code, Some(1));
    let message = format!("weights.safetensors: cannot write the file: {full}\n");
    assert!(train.err.ends_with(&message), "{}", train.err);
    assert_eq!(folder.files("large"), [".lock", "config.yaml", "metrics.jsonl"]);
    assert!(!folder.path("large/checkpoints/.epoch-001.partial").exists());
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let folder = Folder::trained();
    let calls: [&[&str]; 4] = [
        &["predict", "--run", "run", "--input", "rows.csv"],
        &["eval", "--run", "run"],
        &["inspect", "run"],
        &["train", "tiny.yaml", "--run-dir", "unread", "--json"],
    ];
    for args in calls {
        let mut child =
            folder.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        drop(child.stdout.take());
        let said = Said::of(child.wait_with_output().expect("it ends"));
        assert_eq!((said.code, said.err.as_str()), (Some(0), ""), "{args:?}");
    }
    assert!(folder.path("unread/summary.json").exists());
}

#[test]
fn predictions_can_be_written_to_devices_and_pipes() {
    let folder = Folder::trained();
    let predict =
        |output: &[&str]| folder.mt(&[&["predict", "--run", "run", "--input", "rows.csv"], output].concat());
    let expected = predict(&[]).done();
    assert_eq!(predict(&["--output", "/dev/stdout"]).done(), expected);
    assert_eq!(predict(&["--output", "out.csv"]).done(), "");
    assert_eq!(folder.read("out.csv"), expected);
    // An older file is replaced as a whole.
    folder.write("out.csv", "old".repeat(100_000));
    predict(&["--output", "out.csv"]).done();
    assert_eq!(folder.read("out.csv"), expected);

    let synth = folder.mt(&["data", "synth", "--rows", "3", "--out", "/dev/stdout"]).done();
    assert!(synth.starts_with("completion,like,") && synth.ends_with("3 rows in /dev/stdout\n"), "{synth}");
}

#[test]
fn an_output_folder_that_cannot_be_made_is_an_error() {
    let folder = Folder::trained();
    folder.refuses(
        &["predict", "--run", "run", "--input", "rows.csv", "--output", "rows.csv/out.csv"],
        1,
        "rows.csv/out.csv: cannot be written: File exists (os error 17)",
    );
    folder.refuses(
        &["data", "synth", "--rows", "3", "--out", "rows.csv/x.csv"],
        1,
        "rows.csv/x.csv: cannot be written: File exists (os error 17)",
    );
}
