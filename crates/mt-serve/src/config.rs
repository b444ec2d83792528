//! What is served, where, and within which limits.

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use mt_models::Registry;

use crate::log::LogQueue;
use crate::models::Source;

/// A service.
#[derive(Clone)]
#[non_exhaustive]
pub struct Config {
    /// Where bundles are. The first one answers `/predict` without a name.
    pub sources: Vec<Source>,
    /// The address. Default `127.0.0.1:8080`: nothing outside this machine reaches it. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// The final score of requests that give none, a [`mt_features::Formula`] over the tasks.
    pub score: Option<String>,
    /// What requests must send as `Authorization: Bearer TOKEN`; the page and the health of the server are open.
    pub token: Option<Token>,
    /// Certificate and key, which are read again when they change; without, connections are not encrypted.
    pub tls: Option<Tls>,
    /// Threads that answer requests. Default: all cores.
    pub threads: NonZeroUsize,
    /// How often sources are looked at for new versions. Default 1 s.
    pub poll: Duration,
    /// Where the program's log goes, for the metric of lines that were lost.
    pub log: Option<LogQueue>,
    /// What networks bundles may have. Default: those of `mt-models`.
    pub registry: Registry,
    /// What is refused.
    pub limits: Limits,
}

/// A token: visible ASCII characters.
#[derive(Clone)]
#[non_exhaustive]
pub enum Token {
    /// This one.
    Text(String),
    /// That in a file, which is read again when it changes. Blanks and line ends around it do not count.
    File(PathBuf),
}

/// Files of a certificate.
#[derive(Debug, Clone)]
pub struct Tls {
    /// The chain, as PEM.
    pub certificate: PathBuf,
    /// Its key, as PEM.
    pub key: PathBuf,
}

/// What a client may use.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of a request's body; more is 413. Default 8 MiB.
    pub body: usize,
    /// Bytes of all bodies that are held at once, at least twice `body`; beyond, the oldest unfinished ones of the client
    /// that holds most are given up with 503. Default 256 MiB.
    pub bodies: usize,
    /// Rows of a request; more is 413. Default 10,000.
    pub rows: usize,
    /// Requests with a whole body that are computed or wait for it at once, over all connections; more is 503 with
    /// `Retry-After`. Default 512.
    pub requests: usize,
    /// Connections at once; for one more, the client that has most of them loses the one that was longest without a
    /// request. Default 1,024.
    pub connections: usize,
    /// The time for a request's headers; then its connection is closed. Default 10 s.
    pub headers: Duration,
    /// The time for a request's body; more is 408. Default 10 s.
    pub receive: Duration,
    /// How long a connection may be without a request, or neither send nor take a byte. Default 60 s.
    pub idle: Duration,
    /// Asked to stop, how long to go on while clients are told to leave. Default 1 s.
    pub drain: Duration,
    /// After that, how long requests under way may take. Default 30 s.
    pub finish: Duration,
}

impl Config {
    /// These models, the defaults else.
    pub fn new(sources: Vec<Source>) -> Self {
        Self {
            sources,
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            score: None,
            token: None,
            tls: None,
            threads: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            poll: Duration::from_secs(1),
            log: None,
            registry: Registry::default(),
            limits: Limits::default(),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body: 8 << 20,
            bodies: 256 << 20,
            rows: 10_000,
            requests: 512,
            connections: 1024,
            headers: Duration::from_secs(10),
            receive: Duration::from_secs(10),
            idle: Duration::from_secs(60),
            drain: Duration::from_secs(1),
            finish: Duration::from_secs(30),
        }
    }
}
