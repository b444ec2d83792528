//! The body of a request, within limits.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::StatusCode;
use hyper::body::{Body as _, Incoming};
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue};
use tokio::time::timeout;

use crate::config::Limits;
use crate::fault::Fault;
use crate::shares::{Kept, Share, Shares};
use crate::v2::JSON_BYTES;

/// Bytes of a body up to which a prediction runs on the thread that read it: some hundred microseconds. Handing work
/// to another thread and waiting for it costs some ten, more than predicting a row.
pub(super) const INLINE: usize = 64 << 10;

/// Types that are read: JSON, JSON with binary tensors, and what `curl -d` says where it is told nothing.
const TYPES: [&str; 3] =
    ["application/json", "application/octet-stream", "application/x-www-form-urlencoded"];

/// Bytes that an unfinished request counts beside its body: what is kept of it and its stream.
const REQUEST: usize = 8 << 10;

/// The body of a request, and whether it was read to its end.
pub(super) struct Body {
    incoming: Incoming,
    ended: bool,
}

/// A whole body, and its part of the memory for bodies.
pub(super) struct Whole {
    pub bytes: Bytes,
    share: Option<Share>,
}

impl Whole {
    /// Keeps it while it is computed.
    pub fn keep(&self) -> Option<Kept<'_>> {
        self.share.as_ref().map(Share::keep)
    }
}

/// Who sends a body, and the memory that it takes its part of.
pub(super) struct Sender<'a> {
    pub bodies: &'a Arc<Shares>,
    pub client: IpAddr,
    /// Whether its connection has many requests at once.
    pub http2: bool,
}

/// Bytes of the JSON in front of binary tensors, if the headers say so.
pub(super) fn json_bytes(headers: &HeaderMap) -> Result<Option<usize>, Fault> {
    let bytes = |value: &HeaderValue| value.to_str().ok()?.parse().ok();
    let bad = || Fault::bad(format!("header {JSON_BYTES}: expected a number of bytes"));
    headers.get(JSON_BYTES).map(|value| bytes(value).ok_or_else(bad)).transpose()
}

impl Body {
    pub fn new(incoming: Incoming) -> Self {
        Self { ended: incoming.is_end_stream(), incoming }
    }

    pub fn is_read(&self) -> bool {
        self.ended
    }

    /// Whether what is left is known to be as short as a body may be.
    pub fn is_short(&self, limits: &Limits) -> bool {
        self.incoming.size_hint().upper().is_some_and(|bytes| bytes <= limits.body as u64)
    }

    /// Takes what is left, so that the next request of its connection can be read.
    pub async fn discard(mut self, within: Duration) {
        let _ = timeout(within, async { while let Some(Ok(_)) = self.incoming.frame().await {} }).await;
    }

    /// Reads it. One that takes too much memory or time is not read to its end.
    pub async fn read(&mut self, limits: &Limits, sender: &Sender<'_>) -> Result<Whole, Fault> {
        if self.incoming.size_hint().lower() > limits.body as u64 {
            return Err(large(limits));
        }
        timeout(limits.receive, self.collect(limits, sender)).await.unwrap_or_else(|_| {
            let message = format!("the body took more than {} s", limits.receive.as_secs_f64());
            Err(Fault::new(StatusCode::REQUEST_TIMEOUT, message))
        })
    }

    async fn collect(&mut self, limits: &Limits, sender: &Sender<'_>) -> Result<Whole, Fault> {
        let full = || Fault::unavailable("too many bytes of requests are under way; try again");
        let take = |amount| sender.bodies.take(sender.client, amount, Duration::ZERO).ok_or_else(full);
        let mut share = if sender.http2 { Some(take(REQUEST)?) } else { None };
        let mut bytes = Vec::new();
        while !self.ended {
            let frame = tokio::select! {
                biased;
                frame = self.incoming.frame() => frame,
                () = lost(share.as_ref()) => return Err(full()),
            };
            self.ended = frame.is_none() || self.incoming.is_end_stream();
            let Some(frame) = frame else { break };
            let frame = frame.map_err(|error| Fault::bad(format!("the body broke off: {error}")))?;
            let Ok(data) = frame.into_data() else { continue };
            if bytes.len() + data.len() > limits.body {
                return Err(large(limits));
            }
            if self.ended && bytes.is_empty() && data.len() <= INLINE {
                // It came at once and is computed at once, as most are: there is nothing to count.
                return Ok(Whole { bytes: data, share });
            }
            // Copied, as each part may keep a larger buffer alive.
            let before = bytes.capacity();
            bytes.extend_from_slice(&data);
            let more = bytes.capacity() - before;
            match &share {
                None => share = Some(take(REQUEST + more)?),
                Some(share) if more > 0 && !share.grow(more) => return Err(full()),
                Some(_) => {}
            }
        }
        Ok(Whole { bytes: bytes.into(), share })
    }
}

async fn lost(share: Option<&Share>) {
    match share {
        Some(share) => share.lost().await,
        None => std::future::pending().await,
    }
}

fn large(limits: &Limits) -> Fault {
    Fault::too_large(format!("expected a body of at most {} bytes, found more", limits.body))
}

pub(super) fn check_type(headers: &HeaderMap) -> Result<(), Fault> {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase();
    let fault = |message| Err(Fault::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message));
    if let Some(encoding) = headers.get(CONTENT_ENCODING).map(text).filter(|encoding| encoding != "identity")
    {
        return fault(format!("expected a body without Content-Encoding, found {encoding:?}"));
    }
    let Some(found) = headers.get(CONTENT_TYPE).map(text) else { return Ok(()) };
    match TYPES.contains(&found.split(';').next().unwrap_or_default().trim()) {
        true => Ok(()),
        false => fault(format!("expected Content-Type {}, found {found:?}", TYPES[0])),
    }
}
