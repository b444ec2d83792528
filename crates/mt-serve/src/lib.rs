//! Predictions over HTTP: JSON rows at `/predict`, the Open Inference Protocol v2 for existing clients, metrics.
//!
//! In the order in which a request passes through:
//!
//! | module | what |
//! |---|---|
//! | `server` | listens, stops without losing a request |
//! | `connections`, `linger`, `shares` | connections within the [`Limits`], and who gives way beyond |
//! | `tls`, `token`, `fresh` | certificates and tokens, which are read again when they change |
//! | `http` | request ids, token, routes, bodies, the log |
//! | `predict`, `v2` | the two forms of a request and their answers |
//! | `cell` | JSON values, read straight into the rows of a predictor |
//! | `models` | the [`Source`]s of bundles and what is served of them, replaced as a whole |
//! | `metrics` | what is counted |
//! | `log` | a [`LogQueue`] for the subscriber of the program, so that no request waits for its log |
//!
//! Nothing here prints: what happens is told through [`tracing`], and [`Server::run`] returns when asked to stop.
//!
//! ```no_run
//! use std::sync::atomic::AtomicBool;
//! use mt_serve::{Config, Server, Source};
//!
//! let server = Server::bind(Config::new(vec![Source::named("video", "bundle")]))?;
//! println!("{}", server.address());
//! static STOP: AtomicBool = AtomicBool::new(false); // raised elsewhere
//! server.run(&STOP)?;
//! # Ok::<(), mt_serve::Error>(())
//! ```

mod cell;
mod config;
mod connections;
mod error;
mod fault;
mod fresh;
mod http;
mod linger;
mod log;
mod metrics;
mod models;
mod peer;
mod predict;
mod server;
mod shares;
mod tls;
mod token;
mod v2;

pub use config::{Config, Limits, Tls, Token};
pub use error::{Error, Result};
pub use log::LogQueue;
pub use models::Source;
pub use server::Server;

/// The example of this crate's page, compiled as a doctest.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
