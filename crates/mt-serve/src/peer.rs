//! A connection, as its requests see it.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::time::Instant;

use crate::config::Limits;
use crate::shares::{Kept, Share};

/// What requests of one connection know of it, and it of them.
pub(crate) struct Peer {
    pub client: IpAddr,
    /// Without, it came in the last moment of the server.
    pub place: Option<Share>,
    /// Whether there was a request.
    asked: AtomicBool,
    unread: AtomicBool,
}

impl Peer {
    pub fn new(client: IpAddr, place: Option<Share>) -> Arc<Self> {
        Arc::new(Self { client, place, asked: AtomicBool::new(false), unread: AtomicBool::new(false) })
    }

    /// A request begins or ends.
    pub fn touch(&self) {
        self.asked.store(true, Ordering::Relaxed);
        self.place.iter().for_each(Share::touch);
    }

    /// Keeps the connection while a request is computed.
    pub fn keep(&self) -> Option<Kept<'_>> {
        self.place.as_ref().map(Share::keep)
    }

    /// The rest of a request is not going to be read.
    pub fn leave_unread(&self) {
        self.unread.store(true, Ordering::Relaxed);
    }

    pub fn left_unread(&self) -> bool {
        self.unread.load(Ordering::Relaxed)
    }

    /// Until when there must be another request.
    pub fn deadline(&self, limits: &Limits) -> Instant {
        let wait = if self.asked.load(Ordering::Relaxed) { limits.idle } else { limits.headers };
        // One without a place ends with the server.
        self.place.as_ref().map_or_else(Instant::now, |place| place.last_used().into()) + wait
    }

    pub async fn lost(&self) {
        match &self.place {
            Some(place) => place.lost().await,
            None => std::future::pending().await,
        }
    }
}
