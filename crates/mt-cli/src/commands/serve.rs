//! `mt serve`.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use mt_serve::{Config, Limits, Server, Source, Tls};
use tracing_subscriber::filter::LevelFilter;

use crate::args::{LogArg, ServeArgs, Usage};
use crate::{print, stop};

/// Where the token is looked for without `--token-file`.
const TOKEN: &str = "MT_SERVE_TOKEN";

pub fn run(args: &ServeArgs) -> Result<()> {
    let level = match args.log {
        LogArg::Debug => LevelFilter::DEBUG,
        LogArg::Info => LevelFilter::INFO,
        LogArg::Warn => LevelFilter::WARN,
    };
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_max_level(level)
        .with_writer(std::io::stderr)
        .init();
    let stop = stop::on_signal()?;
    let server = Server::bind(config(args)?)?;
    let scheme = if args.tls_cert.is_some() { "https" } else { "http" };
    print::line(format_args!("{scheme}://{}", server.address()))?;
    Ok(server.run(stop)?)
}

fn config(args: &ServeArgs) -> Result<Config> {
    let mut sources = args.bundle.iter().map(|text| source(text)).collect::<Result<Vec<_>>>()?;
    sources.extend(args.models.clone().map(Source::Folder));
    let tls = args.tls_cert.clone().zip(args.tls_key.clone());
    let limits = Limits {
        body: args.max_body,
        rows: args.max_rows,
        requests: args.max_requests,
        connections: args.max_connections,
        drain: Duration::from_secs_f64(args.drain_seconds),
        ..Limits::default()
    };
    let mut config = Config::new(sources);
    config.listen = args.listen;
    config.score.clone_from(&args.score);
    config.token = token(args.token_file.as_deref())?;
    config.tls = tls.map(|(certificate, key)| Tls { certificate, key });
    config.limits = limits;
    if let Some(threads) = std::num::NonZeroUsize::new(rayon::current_num_threads()) {
        config.threads = threads;
    }
    Ok(config)
}

fn source(text: &str) -> Result<Source> {
    if let Some((name, dir)) = text.split_once('=') {
        return Ok(Source::named(name, dir));
    }
    let dir = Path::new(text).canonicalize().with_context(|| format!("cannot find bundle {text}"))?;
    let name = dir.file_name().and_then(|name| name.to_str());
    let name = name.ok_or_else(|| Usage(format!("say how to name bundle {text}: --bundle NAME={text}")))?;
    // Not the canonical path: a link may later lead to another bundle.
    Ok(Source::named(name, text))
}

fn token(file: Option<&Path>) -> Result<Option<String>> {
    let token = match file {
        Some(file) => {
            Some(std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?)
        }
        None => std::env::var(TOKEN).ok(),
    };
    let token = token.map(|token| token.trim().to_owned());
    // An empty token would let anyone in.
    match token {
        Some(token) if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) => {
            Err(Usage("the token must be of visible ASCII characters, and not empty".to_owned()).into())
        }
        token => Ok(token),
    }
}
