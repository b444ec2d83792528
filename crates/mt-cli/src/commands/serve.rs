//! `mt serve`.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use mt_models::Registry;
use mt_serve::{Config, LogQueue, Server, Source, Tls, Token};
use tracing_subscriber::filter::LevelFilter;

use crate::args::{LogArg, ServeArgs, Usage};
use crate::{print, stop};

/// Where the token is looked for without `--token-file`.
const TOKEN: &str = "MT_SERVE_TOKEN";

/// How long the last lines of the log may take.
const FLUSH: Duration = Duration::from_secs(1);

pub fn run(args: &ServeArgs, registry: &Registry) -> Result<()> {
    let level = match args.log {
        LogArg::Debug => LevelFilter::DEBUG,
        LogArg::Info => LevelFilter::INFO,
        LogArg::Warn => LevelFilter::WARN,
    };
    let log = LogQueue::new(std::io::stderr()).context("cannot start a thread for the log")?;
    let lines = log.clone();
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_max_level(level)
        .with_writer(move || lines.clone())
        .log_internal_errors(false)
        .init();
    let served = serve(args, registry, log.clone());
    log.wait(FLUSH);
    served
}

fn serve(args: &ServeArgs, registry: &Registry, log: LogQueue) -> Result<()> {
    let stop = stop::on_signal()?;
    let mut config = config(args)?;
    config.log = Some(log);
    config.registry = registry.clone();
    let server = Server::bind(config)?;
    let scheme = if args.tls_cert.is_some() { "https" } else { "http" };
    print::line(format_args!("{scheme}://{}", server.address()))?;
    Ok(server.run(stop)?)
}

fn config(args: &ServeArgs) -> Result<Config> {
    let mut sources = args.bundle.iter().map(|text| source(text)).collect::<Result<Vec<_>>>()?;
    sources.extend(args.models.clone().map(Source::Folder));
    let tls = args.tls_cert.clone().zip(args.tls_key.clone());
    let mut config = Config::new(sources);
    let limits = &mut config.limits;
    limits.body = args.max_body;
    limits.bodies = args.max_bodies;
    limits.rows = args.max_rows;
    limits.requests = args.max_requests;
    limits.connections = args.max_connections;
    limits.drain = Duration::from_secs_f64(args.drain_seconds);
    config.listen = args.listen;
    config.score.clone_from(&args.score);
    let text = std::env::var_os(TOKEN).map(|token| Token::Text(token.to_string_lossy().into_owned()));
    config.token = args.token_file.clone().map(Token::File).or(text);
    config.tls = tls.map(|(certificate, key)| Tls { certificate, key });
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
