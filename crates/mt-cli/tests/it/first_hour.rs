//! `docs/your-data.md`, run as it stands there: its blocks of `sh` and the commands of its consoles, whose answers must be those on the
//! page. There, `…` stands for anything within a line, and alone on a line for any lines.
#![cfg(unix)]

use std::fmt::Write;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::{Folder, Said};

/// Before what a command says, in the output of all.
const MARK: &str = "@@@ command";

/// What is run, and what it says.
struct Step {
    command: String,
    said: Vec<String>,
}

/// The steps of a page in Markdown.
fn steps(page: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut block = None;
    for line in page.lines() {
        match (block, line.strip_prefix("```")) {
            (None, Some("sh")) => {
                steps.push(Step { command: String::new(), said: Vec::new() });
                block = Some("sh");
            }
            (None, Some(language)) => block = Some(language),
            (Some(_), Some(_)) => block = None,
            (Some("sh"), None) => {
                let step = steps.last_mut().expect("a block was begun");
                step.command += line;
                step.command.push('\n');
            }
            (Some("console"), None) => match line.strip_prefix("$ ") {
                Some(command) => steps.push(Step { command: command.to_owned(), said: Vec::new() }),
                None => steps.last_mut().expect("a command comes first").said.push(line.to_owned()),
            },
            _ => {}
        }
    }
    steps
}

/// Whether a line is what the page says.
fn is_like(found: &str, expected: &str) -> bool {
    let Some((start, rest)) = expected.split_once('…') else {
        return found.trim_end() == expected.trim_end();
    };
    let Some(mut found) = found.strip_prefix(start) else { return false };
    let parts: Vec<&str> = rest.split('…').collect();
    let (end, between) = parts.split_last().expect("a part");
    for part in between {
        let Some(at) = found.find(part) else { return false };
        found = &found[at + part.len()..];
    }
    found.trim_end().ends_with(end.trim_end())
}

/// Whether lines are what the page says.
fn are_like(found: &[&str], expected: &[String]) -> bool {
    match (found, expected) {
        ([], []) => true,
        (_, [any, rest @ ..]) if any == "…" => {
            are_like(found, rest) || (!found.is_empty() && are_like(&found[1..], expected))
        }
        ([line, found @ ..], [like, rest @ ..]) => is_like(line, like) && are_like(found, rest),
        _ => false,
    }
}

#[test]
fn the_page_about_ones_own_data_is_what_happens() {
    let there = |tool: &str| {
        let version =
            Command::new("sh").args(["-c", &format!("command -v {tool}")]).stdout(Stdio::null()).status();
        version.is_ok_and(|status| status.success())
    };
    #[expect(clippy::print_stdout, reason = "a test that skips must say so")]
    if let Some(tool) = ["awk", "curl"].into_iter().find(|tool| !there(tool)) {
        println!("the page about one's own data: skipped, as there is no {tool}");
        return;
    }
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/your-data.md");
    let Ok(page) = std::fs::read_to_string(page) else { return };
    // A port that is free, in the place of the one on the page.
    let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port").port();
    let steps = steps(&page.replace("127.0.0.1:8080", &format!("127.0.0.1:{port}")));
    assert!(steps.len() > 8, "the commands of the page were not found");
    // Whatever fails, the service ends.
    let mut script = "exec 2>&1\ntrap 'kill $! 2>/dev/null || true' EXIT\n".to_owned();
    for Step { command, .. } in &steps {
        let _ = writeln!(script, "echo '{MARK}'\n{command}\necho");
    }
    let folder = Folder::new();
    let mt = Path::new(env!("CARGO_BIN_EXE_mt")).parent().expect("a folder");
    let path = format!("{}:{}", mt.display(), std::env::var("PATH").unwrap_or_default());
    let mut shell = Command::new("sh");
    shell.args(["-ec", &script]).current_dir(folder.path("")).env("PATH", path).stdin(Stdio::null());
    let said = Said::of(shell.output().expect("a shell"));
    assert_eq!(said.code, Some(0), "{}", said.out);
    let outputs: Vec<&str> = said.out.split(&format!("{MARK}\n")).skip(1).collect();
    assert_eq!(outputs.len(), steps.len(), "{}", said.out);
    for (Step { command, said }, output) in steps.iter().zip(outputs) {
        let lines: Vec<&str> = output.trim_end().lines().collect();
        assert!(are_like(&lines, said), "$ {command}\n{output}\nThe page says:\n{}", said.join("\n"));
    }
}
