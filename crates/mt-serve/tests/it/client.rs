//! A server in a thread and a plain HTTP/1.1 client.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use mt_serve::{Config, Server, Source};
use serde_json::Value as Json;
use tempfile::TempDir;

use crate::bundles;

/// A server that stops when dropped.
pub struct Served {
    pub address: SocketAddr,
    stop: &'static AtomicBool,
    thread: Option<JoinHandle<mt_serve::Result<()>>>,
    pub folder: TempDir,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Served {
    /// The bundle `m`, in the folder `bundle`, with limits for tests.
    pub fn new(change: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        bundles::write(&folder.path().join("bundle"), 1);
        let source = Source::named("m", folder.path().join("bundle"));
        Self::of(folder, source, change)
    }

    pub fn of(folder: TempDir, source: Source, change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::new(vec![source]);
        config.listen.set_port(0);
        config.poll = Duration::from_millis(5);
        let second = Duration::from_secs(1);
        (config.limits.body, config.limits.rows) = (100_000, 100);
        (config.limits.receive, config.limits.headers) = (second, second);
        config.limits.drain = Duration::from_millis(50);
        change(&mut config);
        let server = Server::bind(config).expect("a server");
        let (address, stop) = (server.address(), &*Box::leak(Box::new(AtomicBool::new(false))));
        let thread = std::thread::spawn(move || server.run(stop));
        Self { address, stop, thread: Some(thread), folder }
    }

    pub fn client(&self) -> Client {
        let stream = TcpStream::connect(self.address).expect("a connection");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
        Client(BufReader::new(stream))
    }

    pub fn get(&self, path: &str) -> Answer {
        self.client().send("GET", path, "", b"").expect("an answer")
    }

    pub fn post(&self, path: &str, body: impl AsRef<[u8]>) -> Answer {
        self.client().send("POST", path, "", body.as_ref()).expect("an answer")
    }

    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.stop();
        let ended = self.thread.take().map(|thread| thread.join().expect("no panic"));
        assert!(matches!(ended, Some(Ok(()))), "{ended:?}");
    }
}

impl Answer {
    pub fn json(&self) -> Json {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The status and the message of an error.
    pub fn error(&self) -> (u16, String) {
        (self.status, self.json()["error"].as_str().expect("a text").to_owned())
    }
}

pub struct Client(pub BufReader<TcpStream>);

impl Client {
    pub fn send(&mut self, method: &str, path: &str, headers: &str, body: &[u8]) -> io::Result<Answer> {
        let length = body.len();
        let head =
            format!("{method} {path} HTTP/1.1\r\nHost: x\r\n{headers}Content-Length: {length}\r\n\r\n");
        self.0.get_mut().write_all(&[head.as_bytes(), body].concat())?;
        self.receive()
    }

    pub fn receive(&mut self) -> io::Result<Answer> {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if self.0.read_line(&mut head)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        let head = head.to_ascii_lowercase();
        let number = |text: &str| text.trim().parse().map_err(io::Error::other);
        let length = head.split("\ncontent-length:").nth(1).and_then(|rest| rest.lines().next());
        let mut body = vec![0; length.map_or(Ok(0), number)?];
        self.0.read_exact(&mut body)?;
        Ok(Answer { status: head[9..12].parse().map_err(io::Error::other)?, head, body })
    }
}
