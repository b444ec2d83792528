//! Connections: how they are answered, and when they are closed.

use std::net::{IpAddr, Ipv6Addr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulConnection;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_io_timeout::TimeoutStream;
use tracing::debug;

use crate::config::Limits;
use crate::http::Service;
use crate::linger::Lingering;
use crate::metrics::Counted;
use crate::peer::Peer;
use crate::shares::{Share, Shares};
use crate::tls::Acceptor;

/// Streams of one HTTP/2 connection at once: a client has few connections, so more than browsers ask for.
const STREAMS: u32 = 256;

/// Bytes of HTTP/1.1 headers at most, and of what is read of a body at once.
const BUFFER: usize = 64 << 10;

/// How often it is looked whether more has come.
const TICK: Duration = Duration::from_millis(20);

/// How long a client that was told to leave may take to do so.
const LEAVE: Duration = Duration::from_secs(1);

/// How connections are answered.
pub(crate) struct Connections {
    pub service: Arc<Service>,
    pub tls: Option<Arc<Acceptor>>,
    pub limits: Limits,
    /// The places of connections.
    pub places: Arc<Shares>,
}

/// Who a client is: an address, of IPv6 the network of 2⁶⁴ that one customer has.
pub(crate) fn client(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        address => address,
    }
}

impl Connections {
    /// Answers requests until the client leaves, is told to by `stop`, or gives its place to another one.
    pub async fn answer(self: Arc<Self>, stream: TcpStream, peer: Arc<Peer>, stop: watch::Receiver<()>) {
        let _open = Counted::new(&self.service.metrics.connections);
        tokio::select! {
            biased;
            () = peer.lost() => {
                self.service.metrics.displaced.inc();
                debug!(client = %peer.client, "closed: its place was needed");
            }
            () = self.open(stream, &peer, stop) => {}
        }
    }

    async fn open(&self, stream: TcpStream, peer: &Arc<Peer>, stop: watch::Receiver<()>) {
        // Answers are small and whole: there is nothing to wait for.
        let _ = stream.set_nodelay(true);
        let mut stream = TimeoutStream::new(stream);
        stream.set_read_timeout(Some(self.limits.idle));
        stream.set_write_timeout(Some(self.limits.idle));
        let Limits { headers, .. } = self.limits;
        match &self.tls {
            None => match timeout(headers, is_http2(stream.get_ref())).await {
                Ok(Ok(http2)) => self.requests(Box::pin(stream), http2, peer, stop).await,
                Ok(Err(error)) => debug!(%error, "no request"),
                Err(_) => debug!("no request in time"),
            },
            Some(tls) => match timeout(headers, tls.current().accept(Box::pin(stream))).await {
                Ok(Ok(stream)) => {
                    let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                    self.requests(stream, http2, peer, stop).await;
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
        peer: &Arc<Peer>,
        stop: watch::Receiver<()>,
    ) {
        // The first request may take its time from here on, not from before the handshake of TLS.
        peer.place.iter().for_each(Share::touch);
        let service = service_fn(|request| self.service.clone().answer(request, peer.clone()));
        let io = TokioIo::new(Lingering::new(stream, peer.clone(), self.limits.receive));
        let ended = if http2 {
            let mut http = http2::Builder::new(TokioExecutor::new());
            http.timer(TokioTimer::new()).max_concurrent_streams(STREAMS);
            self.serve(http.serve_connection(io, service), peer, stop).await
        } else {
            let mut http = http1::Builder::new();
            http.timer(TokioTimer::new()).header_read_timeout(self.limits.headers).max_buf_size(BUFFER);
            self.serve(http.serve_connection(io, service), peer, stop).await
        };
        if let Err(error) = ended {
            debug!(%error, "a connection broke off");
        }
    }

    /// Serves a connection until it ends, or goes too long without a request: bytes alone, such as HTTP/2's pings, and
    /// streams on which nothing happens do not keep it open.
    async fn serve<C: GracefulConnection>(
        &self,
        connection: C,
        peer: &Peer,
        mut stop: watch::Receiver<()>,
    ) -> Result<(), C::Error> {
        let mut connection = pin!(connection);
        let mut look = pin!(sleep_until(peer.deadline(&self.limits)));
        let (mut stopping, mut leaving) = (false, false);
        loop {
            tokio::select! {
                biased;
                ended = connection.as_mut() => return ended,
                _ = stop.changed(), if !stopping => {
                    stopping = true;
                    connection.as_mut().graceful_shutdown();
                }
                () = look.as_mut() => {
                    let (deadline, now) = (peer.deadline(&self.limits), Instant::now());
                    let in_use = peer.place.as_ref().is_some_and(Share::is_kept);
                    if deadline > now {
                        look.as_mut().reset(deadline);
                    } else if in_use {
                        look.as_mut().reset(now + LEAVE);
                    } else if leaving {
                        return Ok(());
                    } else {
                        leaving = true;
                        connection.as_mut().graceful_shutdown();
                        look.as_mut().reset(now + LEAVE);
                    }
                }
            }
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
