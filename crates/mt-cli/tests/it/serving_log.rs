//! A service whose log cannot be written, or is read by nobody.
#![cfg(unix)]

use std::fs::{File, rename};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::serving::{post, post_to, serve_with};
use crate::support::Folder;

const ROW: &str = r#"{"rows":[{"a":0.4,"b":0.1,"c":0}]}"#;

/// The versions `models/tiny/1` and, not yet in its place, `2`.
fn versions() -> Folder {
    let folder = Folder::trained();
    folder.mt(&["export", "--run", "run", "--out", "models/tiny/1"]).done();
    folder.mt(&["export", "--run", "run", "--out", "2"]).done();
    folder
}

fn connect(address: &str) -> BufReader<TcpStream> {
    let stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
    BufReader::new(stream)
}

/// Lines that the service says it lost.
fn lost(address: &str) -> u64 {
    let mut stream = connect(address);
    let request = "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    stream.get_mut().write_all(request.as_bytes()).expect("sent");
    let lines = stream.lines().map(|line| line.expect("a line"));
    let count = lines.filter_map(|line| line.strip_prefix("mt_log_lines_lost_total ").map(str::to_owned));
    count.last().expect("the metric").parse().expect("a number")
}

/// Refusals are logged, and a version is put in service, whatever becomes of the log.
fn answers_and_swaps(folder: &Folder, address: &str) {
    let mut stream = connect(address);
    for _ in 0..20 {
        assert!(post(&mut stream, "{").0.starts_with("http/1.1 400"));
    }
    let version = |stream: &mut _| post(stream, ROW).1["version"].as_str().expect("a text").to_owned();
    assert_eq!(version(&mut stream), "1");
    rename(folder.path("2"), folder.path("models/tiny/2")).expect("moved");
    while version(&mut stream) != "2" {
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn stopped(child: &mut Child) {
    assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().expect("kill").success());
    assert!(child.wait().expect("it ends").success());
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_stops_neither_answers_nor_swaps_and_lost_lines_are_counted() {
    let folder = versions();
    let full = File::options().write(true).open("/dev/full").expect("a full disk");
    let (mut child, address) = serve_with(&folder, &["--models", "models"], full.into());
    answers_and_swaps(&folder, &address);
    assert!(lost(&address) >= 20);
    stopped(&mut child);
}

#[test]
fn a_reader_that_went_away_stops_neither_answers_nor_swaps() {
    let folder = versions();
    let (mut child, address) = serve_with(&folder, &["--models", "models"], Stdio::piped());
    drop(child.stderr.take());
    answers_and_swaps(&folder, &address);
    assert!(lost(&address) >= 20);
    stopped(&mut child);
}

#[test]
fn a_reader_that_stopped_reading_blocks_nobody_and_later_reads_how_many_lines_are_missing() {
    let folder = versions();
    let (mut child, address) = serve_with(&folder, &["--models", "models"], Stdio::piped());
    let mut stream = connect(&address);
    // Each line of the log is as long as the path: a few hundred are more than the pipe and the queue hold.
    let path = format!("/{}", "x".repeat(8000));
    while lost(&address) < 3 {
        assert!(post_to(&mut stream, &path, "").0.starts_with("http/1.1 404"));
    }
    answers_and_swaps(&folder, &address);
    let mut log = BufReader::new(child.stderr.take().expect("a pipe"));
    let (mut line, mut read) = (String::new(), Vec::new());
    while !line.contains("lines of the log were lost") {
        line.clear();
        assert_ne!(log.read_line(&mut line).expect("a line"), 0, "{read:?}");
        read.push(serde_json::from_str::<serde_json::Value>(&line).expect("JSON"));
    }
    assert_eq!(read.last().expect("a line")["lines"], lost(&address));
    stopped(&mut child);
    log.read_to_string(&mut line).expect("the rest");
    assert!(line.contains("stopped; every request was answered"), "{line}");
}
