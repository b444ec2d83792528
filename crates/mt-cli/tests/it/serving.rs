//! `mt serve`, through the program.
#![cfg(unix)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::support::{Folder, numbers};

/// Starts the service, and returns where it listens.
pub fn serve(folder: &Folder) -> (Child, String) {
    serve_with(folder, &["--bundle", "tiny=bundle"], Stdio::piped())
}

/// As [`serve`], with these arguments and this standard error.
pub fn serve_with(folder: &Folder, args: &[&str], errors: Stdio) -> (Child, String) {
    serve_by(folder, Path::new(env!("CARGO_BIN_EXE_mt")), args, errors)
}

/// As [`serve_with`], by another program.
pub fn serve_by(folder: &Folder, program: &Path, args: &[&str], errors: Stdio) -> (Child, String) {
    let mut command = folder.command_of(program, &[&["serve", "--listen", "127.0.0.1:0"], args].concat());
    let mut child = command.stdout(Stdio::piped()).stderr(errors).spawn().expect("the program starts");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut line).expect("a line");
    let address = line.trim().strip_prefix("http://").expect("an address").to_owned();
    (child, address)
}

/// Sends a body; returns the head and the JSON of the answer.
pub fn post(stream: &mut BufReader<TcpStream>, body: &str) -> (String, serde_json::Value) {
    post_to(stream, "/predict", body)
}

/// As [`post`], to another path.
pub fn post_to(stream: &mut BufReader<TcpStream>, path: &str, body: &str) -> (String, serde_json::Value) {
    let length = body.len();
    let request = format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n{body}");
    stream.get_mut().write_all(request.as_bytes()).expect("sent");
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert_ne!(stream.read_line(&mut head).expect("a line"), 0, "the request was lost: {head}");
    }
    head.make_ascii_lowercase();
    let length = head.split("\ncontent-length:").nth(1).and_then(|rest| rest.lines().next());
    let mut body = vec![0; length.expect("a length").trim().parse().expect("a number")];
    stream.read_exact(&mut body).expect("a body");
    (head, serde_json::from_slice(&body).expect("JSON"))
}

#[test]
fn scores_over_http_are_those_of_mt_predict_and_sigterm_loses_no_request() {
    let folder = Folder::trained();
    folder.mt(&["export", "--run", "run", "--out", "bundle"]).done();
    let expected = numbers(&folder.mt(&["predict", "--bundle", "bundle", "--input", "rows.csv"]).done());
    let text = folder.read("rows.csv");
    let row = |line: &str| {
        let cells: Vec<&str> = line.split(',').collect();
        format!(r#"{{"a":{},"b":{},"c":{}}}"#, cells[2], cells[3], cells[4])
    };
    let rows: Vec<String> = text.lines().skip(1).map(row).collect();
    let (child, address) = serve(&folder);
    let connect = || BufReader::new(TcpStream::connect(&address).expect("a connection"));
    let check = |answer: &serde_json::Value, expected: &[Vec<f32>]| {
        let predictions = answer["predictions"].as_array().expect("a list");
        assert_eq!(predictions.len(), expected.len());
        for (found, expected) in predictions.iter().zip(expected) {
            let found =
                ["watched", "liked"].map(|task| found[task].to_string().parse::<f32>().expect("a number"));
            assert_eq!(&found[..], &expected[..]);
        }
    };
    let (_, all) = post(&mut connect(), &format!(r#"{{"rows":[{}]}}"#, rows.join(",")));
    check(&all, &expected);
    let hammer = |start: usize| {
        let (mut stream, mut answers) = (connect(), 0);
        for i in (0..rows.len()).cycle().skip(start) {
            let (head, answer) = post(&mut stream, &format!(r#"{{"rows":[{}]}}"#, rows[i]));
            check(&answer, &expected[i..=i]);
            answers += 1;
            if head.contains("connection: close\r\n") {
                break;
            }
        }
        answers
    };
    let hammer = &hammer;
    let answers: usize = std::thread::scope(|scope| {
        let hammers: Vec<_> = (0..4).map(|i| scope.spawn(move || hammer(i * 100))).collect();
        std::thread::sleep(std::time::Duration::from_millis(300));
        let pid = child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().expect("kill").success());
        hammers.into_iter().map(|hammer| hammer.join().expect("no lost request")).sum()
    });
    assert!(answers > 4, "{answers}");
    let output = child.wait_with_output().expect("it ends");
    let log = String::from_utf8(output.stderr).expect("text");
    assert!(output.status.success() && log.contains("stopped; every request was answered"), "{log}");
    assert!(log.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()), "{log}");
}

#[test]
fn what_cannot_be_served_is_refused_at_the_start() {
    let folder = Folder::trained();
    folder.mt(&["export", "--run", "run", "--out", "bundle"]).done();
    let refused = |args: &[&str], message: &str| {
        let said = folder.mt(&[&["serve", "--listen", "127.0.0.1:0"], args].concat());
        assert!(said.code == Some(2) && said.err.contains(message), "{args:?}: {:?} {}", said.code, said.err);
    };
    refused(
        &["--bundle", "bundle", "--score", "like"],
        "character 1: there is no \"like\"; did you mean \"liked\"?",
    );
    refused(&["--bundle", "m=run"], "is no bundle; `mt export` makes one of a run");
    refused(&["--bundle", "m=bundle", "--bundle", "m=bundle"], "two bundles are named \"m\"");
    refused(&["--bundle", "../m=bundle"], "\"../m\" is no name of a model");
    refused(&["--models", "run"], "no bundle to serve");
}

#[test]
fn newcomers_are_answered_where_one_client_holds_all_file_handles() {
    let folder = Folder::trained();
    folder.mt(&["export", "--run", "run", "--out", "bundle"]).done();
    let program = folder.command(&["serve", "--bundle", "tiny=bundle", "--listen", "127.0.0.1:0"]);
    let mut command = Command::new("sh");
    command.current_dir(folder.path("")).args(["-c", "ulimit -n 40; exec \"$@\"", "sh"]);
    command.arg(program.get_program()).args(program.get_args());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("a shell");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut line).expect("a line");
    let address = line.trim().strip_prefix("http://").expect("an address");
    let held: Vec<_> = (0..100).map(|_| TcpStream::connect(address).expect("a connection")).collect();
    let stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(std::time::Duration::from_secs(20))).expect("a timeout");
    let (head, _) = post(&mut BufReader::new(stream), r#"{"rows":[{"a":0.4,"b":0.1,"c":0}]}"#);
    assert!(head.starts_with("http/1.1 200"), "{head}");
    drop(held);
    child.kill().expect("killed");
    child.wait().expect("it ends");
}
