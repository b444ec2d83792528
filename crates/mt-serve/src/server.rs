//! Listening, connections, and stopping without losing a request.

use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};
use tokio_io_timeout::TimeoutStream;
use tokio_rustls::TlsAcceptor;
use tracing::{debug, info, warn};

use crate::config::{Config, Limits};
use crate::error::{Error, Result};
use crate::http::Service;
use crate::metrics::{Counted, Metrics};
use crate::models::{Models, Refused};
use crate::tls;

/// Streams of one HTTP/2 connection at once: a client has few connections, so more than browsers ask for.
const STREAMS: u32 = 256;

/// How often it is looked whether to stop.
const TICK: Duration = Duration::from_millis(20);

/// A service that listens, with its models loaded.
pub struct Server {
    config: Config,
    listener: TcpListener,
    address: SocketAddr,
    service: Arc<Service>,
    refused: Refused,
    tls: Option<TlsAcceptor>,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Without the token.
        f.debug_struct("Server").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Server {
    /// Loads the models and listens; nobody is answered before [`Server::run`].
    ///
    /// # Errors
    /// For a bundle that cannot be loaded (one of a folder of several is passed over), a score that does not fit, a
    /// certificate that cannot be used, an address that is taken.
    pub fn bind(config: Config) -> Result<Self> {
        let tls = config.tls.as_ref().map(tls::acceptor).transpose()?;
        let metrics = Metrics::new();
        let (models, refused) = Models::load(config.sources.clone(), config.score.clone(), &metrics)?;
        let fail = |source| Error::Listen { address: config.listen, source };
        let listener = TcpListener::bind(config.listen).map_err(fail)?;
        listener.set_nonblocking(true).map_err(fail)?;
        let address = listener.local_addr().map_err(fail)?;
        let service = Arc::new(Service::new(models, metrics, &config));
        Ok(Self { config, listener, address, service, refused, tls })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `stop` is raised. Then readiness is withdrawn and clients are told to close their connections, for
    /// [`Limits::drain`]; after that nothing new is accepted, and what was accepted is finished.
    ///
    /// # Errors
    /// If threads cannot be started.
    pub fn run(self, stop: &'static AtomicBool) -> Result<()> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(self.config.threads.get())
            .thread_name("serve")
            .on_thread_start(compute_here)
            .enable_all()
            .build()
            .map_err(Error::Threads)?;
        let (end, ended) = mpsc::channel::<()>();
        let (service, mut refused, poll) = (self.service.clone(), self.refused, self.config.poll);
        let watch = move || {
            compute_here();
            while ended.recv_timeout(poll) == Err(mpsc::RecvTimeoutError::Timeout) {
                service.models.look(&mut refused, &service.metrics);
            }
        };
        let watcher = thread::Builder::new().name("watch".into()).spawn(watch).map_err(Error::Threads)?;
        let Config { limits, .. } = self.config;
        let accept = Accept { listener: self.listener, service: self.service, tls: self.tls, limits };
        // On a worker rather than this thread, which would wake one for each connection.
        let served = runtime.block_on(async { runtime.spawn(accept.run(stop)).await });
        drop(end);
        let watched = watcher.join();
        if served.is_err() || watched.is_err() {
            return Err(Error::Threads(std::io::Error::other("a thread ended too early")));
        }
        Ok(())
    }
}

/// Parallel loops of a prediction stay on this thread: requests are what runs side by side, and a loop that is handed to
/// another pool waits for it.
fn compute_here() {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).use_current_thread();
    // Dropped, this thread would leave it. It has no threads of its own that could be left over.
    match pool.build() {
        Ok(pool) => std::mem::forget(pool),
        Err(error) => warn!(%error, "predictions use threads of another pool"),
    }
}

struct Accept {
    listener: TcpListener,
    service: Arc<Service>,
    tls: Option<TlsAcceptor>,
    limits: Limits,
}

impl Accept {
    async fn run(self, stop: &'static AtomicBool) {
        let Self { listener, service, tls, limits } = self;
        let listener = match tokio::net::TcpListener::from_std(listener) {
            Ok(listener) => listener,
            Err(error) => return warn!(%error, "cannot listen"),
        };
        let (room, graceful) = (Arc::new(Semaphore::new(limits.connections)), GracefulShutdown::new());
        let connections = Arc::new(Connections { service: service.clone(), tls, limits: limits.clone() });
        let answer = |stream: TcpStream, permit: Option<OwnedSemaphorePermit>| {
            tokio::spawn(connections.clone().answer(stream, graceful.watcher(), permit));
        };
        let mut tick = tokio::time::interval(TICK);
        let mut end: Option<Instant> = None;
        loop {
            tokio::select! {
                accepted = accept(&listener, &room) => match accepted {
                    Ok((stream, permit)) => answer(stream, permit),
                    Err(error) => {
                        // Out of file handles, most likely: some are about to be closed.
                        warn!(%error, "cannot accept a connection");
                        tokio::time::sleep(TICK).await;
                    }
                },
                now = tick.tick() => match end {
                    None if stop.load(Ordering::Relaxed) => {
                        info!("asked to stop");
                        service.drain();
                        end = Some(now + limits.drain);
                    }
                    Some(end) if now >= end => break,
                    _ => {}
                },
            }
        }
        // Clients of these believe that they are connected.
        while let Ok(Ok((stream, _))) = timeout(Duration::ZERO, listener.accept()).await {
            answer(stream, None);
        }
        drop(listener);
        match timeout(limits.finish, graceful.shutdown()).await {
            Ok(()) => info!("stopped; every request was answered"),
            Err(_) => {
                warn!(seconds = limits.finish.as_secs(), "stopped; some requests took longer than allowed")
            }
        }
    }
}

/// A connection, once there is room for it.
async fn accept(
    listener: &tokio::net::TcpListener,
    room: &Arc<Semaphore>,
) -> std::io::Result<(TcpStream, Option<OwnedSemaphorePermit>)> {
    // Never closed, so there always is one.
    let permit = room.clone().acquire_owned().await.ok();
    let (stream, _) = listener.accept().await?;
    Ok((stream, permit))
}

/// How connections are answered.
struct Connections {
    service: Arc<Service>,
    tls: Option<TlsAcceptor>,
    limits: Limits,
}

impl Connections {
    async fn answer(
        self: Arc<Self>,
        stream: TcpStream,
        watcher: Watcher,
        _permit: Option<OwnedSemaphorePermit>,
    ) {
        // Answers are small and whole: there is nothing to wait for.
        let _ = stream.set_nodelay(true);
        let mut stream = TimeoutStream::new(stream);
        stream.set_read_timeout(Some(self.limits.idle));
        stream.set_write_timeout(Some(self.limits.idle));
        let _open = Counted::new(&self.service.metrics.connections);
        let Limits { headers, .. } = self.limits;
        match &self.tls {
            None => match timeout(headers, is_http2(stream.get_ref())).await {
                Ok(Ok(http2)) => self.requests(Box::pin(stream), http2, watcher).await,
                Ok(Err(error)) => debug!(%error, "no request"),
                Err(_) => debug!("no request in time"),
            },
            Some(tls) => match timeout(headers, tls.accept(Box::pin(stream))).await {
                Ok(Ok(stream)) => {
                    let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                    self.requests(stream, http2, watcher).await;
                }
                Ok(Err(error)) => debug!(%error, "no TLS"),
                Err(_) => debug!("no TLS in time"),
            },
        }
    }

    async fn requests(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        http2: bool,
        watcher: Watcher,
    ) {
        let service = service_fn(|request| self.service.clone().answer(request));
        let io = TokioIo::new(stream);
        let ended = if http2 {
            let mut http = http2::Builder::new(TokioExecutor::new());
            http.timer(TokioTimer::new()).max_concurrent_streams(STREAMS);
            watcher.watch(http.serve_connection(io, service)).await
        } else {
            let mut http = http1::Builder::new();
            http.timer(TokioTimer::new()).header_read_timeout(self.limits.headers);
            watcher.watch(http.serve_connection(io, service)).await
        };
        if let Err(error) = ended {
            debug!(%error, "a connection broke off");
        }
    }
}

/// Whether a connection without TLS opens as HTTP/2 does; nothing is taken from it. Not hyper-util's own detection: asked
/// to stop, that closes a connection whose first request has just arrived.
async fn is_http2(stream: &TcpStream) -> std::io::Result<bool> {
    const OPENING: &[u8] = b"PRI";
    let mut start = [0; OPENING.len()];
    loop {
        let n = stream.peek(&mut start).await?;
        if n == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        if n == OPENING.len() || start[..n] != OPENING[..n] {
            return Ok(start == OPENING);
        }
        // A part of it is there, of which `peek` would tell again and again.
        tokio::time::sleep(TICK).await;
    }
}
