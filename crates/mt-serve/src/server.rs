//! Listening, connections, and stopping without losing a request.

use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};
use tracing::{info, warn};

use crate::config::Config;
use crate::connections::{Connections, client};
use crate::error::{Error, Result};
use crate::http::Service;
use crate::metrics::Metrics;
use crate::models::{Models, Refused};
use crate::peer::Peer;
use crate::shares::{Share, Shares};
use crate::tls;
use crate::token::Secret;

/// How often it is looked whether to stop.
const TICK: Duration = Duration::from_millis(20);

/// For how long a connection must have been without a request to make room for one that has not waited as long itself: in
/// a rush, each has the time for a request.
const UNUSED: Duration = Duration::from_millis(250);

/// A service that listens, with its models loaded.
pub struct Server {
    config: Config,
    listener: TcpListener,
    address: SocketAddr,
    service: Arc<Service>,
    refused: Refused,
    tls: Option<Arc<tls::Acceptor>>,
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
        let tls = config.tls.as_ref().map(tls::acceptor).transpose()?.map(Arc::new);
        let metrics = Metrics::new(config.log.as_ref());
        let (models, refused) =
            Models::load(config.sources.clone(), config.score.clone(), config.registry.clone(), &metrics)?;
        let fail = |source| Error::Listen { address: config.listen, source };
        let listener = TcpListener::bind(config.listen).map_err(fail)?;
        listener.set_nonblocking(true).map_err(fail)?;
        let address = listener.local_addr().map_err(fail)?;
        let service = Arc::new(Service::new(models, metrics, &config)?);
        Ok(Self { config, listener, address, service, refused, tls })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `stop` is raised. Then readiness is withdrawn and clients are told to close their connections, for
    /// [`Limits::drain`](crate::Limits::drain); after that nothing new is accepted, and what was accepted is finished.
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
        let tls = self.tls.clone();
        let watch = move || {
            compute_here();
            while ended.recv_timeout(poll) == Err(mpsc::RecvTimeoutError::Timeout) {
                service.models.look(&mut refused, &service.metrics);
                service.token.iter().for_each(Secret::look);
                tls.iter().for_each(|tls| tls.look());
            }
        };
        let watcher = thread::Builder::new().name("watch".into()).spawn(watch).map_err(Error::Threads)?;
        let Self { listener, service, tls, config: Config { limits, .. }, .. } = self;
        let places = Shares::new(limits.connections);
        let connections = Arc::new(Connections { service, tls, limits, places });
        let accept = Accept { listener, connections };
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
    connections: Arc<Connections>,
}

impl Accept {
    async fn run(self, stop: &'static AtomicBool) {
        let Self { listener, connections } = self;
        let listener = match tokio::net::TcpListener::from_std(listener) {
            Ok(listener) => listener,
            Err(error) => return warn!(%error, "cannot listen"),
        };
        let (limits, places) = (&connections.limits, &connections.places);
        let (leave, told) = watch::channel(());
        let answer = |stream: TcpStream, client: IpAddr, place: Option<Share>| {
            tokio::spawn(connections.clone().answer(stream, Peer::new(client, place), told.clone()));
        };
        let mut tick = tokio::time::interval(TICK);
        let mut end: Option<Instant> = None;
        // A connection for which no other one could make room yet, and since when.
        let mut waiting: Option<(TcpStream, SocketAddr, Instant)> = None;
        loop {
            if let Some((stream, address, since)) = waiting.take() {
                let client = client(address.ip());
                let unused = if since.elapsed() < UNUSED { UNUSED } else { Duration::ZERO };
                match places.take(client, 1, unused) {
                    None => waiting = Some((stream, address, since)),
                    place => answer(stream, client, place),
                }
            }
            tokio::select! {
                accepted = listener.accept(), if waiting.is_none() => match accepted {
                    Ok((stream, address)) => waiting = Some((stream, address, Instant::now())),
                    Err(error) => {
                        // Out of file handles, most likely: another connection makes room, as it would for a place.
                        if !places.give_up_one(UNUSED) {
                            warn!(%error, "cannot accept a connection");
                        }
                        tokio::time::sleep(TICK).await;
                    }
                },
                now = tick.tick() => match end {
                    None if stop.load(Ordering::Relaxed) => {
                        info!("asked to stop");
                        connections.service.drain();
                        end = Some(now + limits.drain);
                    }
                    Some(end) if now >= end => break,
                    _ => {}
                },
            }
        }
        // Clients of these believe that they are connected.
        if let Some((stream, address, _)) = waiting {
            answer(stream, client(address.ip()), None);
        }
        while let Ok(Ok((stream, address))) = timeout(Duration::ZERO, listener.accept()).await {
            answer(stream, client(address.ip()), None);
        }
        drop((listener, told));
        leave.send_replace(());
        match timeout(limits.finish, leave.closed()).await {
            Ok(()) => info!("stopped; every request was answered"),
            Err(_) => {
                warn!(seconds = limits.finish.as_secs(), "stopped; some requests took longer than allowed")
            }
        }
    }
}
