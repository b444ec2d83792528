//! The body of a request, within limits.

use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::{Request, StatusCode};
use tokio::time::timeout;

use crate::config::Limits;
use crate::fault::Fault;
use crate::v2::JSON_BYTES;

/// Types that are read: JSON, JSON with binary tensors, and what `curl -d` says where it is told nothing.
const TYPES: [&str; 3] =
    ["application/json", "application/octet-stream", "application/x-www-form-urlencoded"];

/// Bytes of the JSON in front of binary tensors, if the headers say so.
pub(super) fn json_bytes(headers: &HeaderMap) -> Result<Option<usize>, Fault> {
    let bytes = |value: &HeaderValue| value.to_str().ok()?.parse().ok();
    let bad = || Fault::bad(format!("header {JSON_BYTES}: expected a number of bytes"));
    headers.get(JSON_BYTES).map(|value| bytes(value).ok_or_else(bad)).transpose()
}

pub(super) async fn read(request: Request<Incoming>, limits: &Limits) -> Result<Bytes, Fault> {
    check_type(request.headers())?;
    let large = || Fault::too_large(format!("expected a body of at most {} bytes, found more", limits.body));
    let body = request.into_body();
    if body.size_hint().lower() > limits.body as u64 {
        return Err(large());
    }
    match timeout(limits.receive, Limited::new(body, limits.body).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(large()),
        Ok(Err(error)) => Err(Fault::bad(format!("the body broke off: {error}"))),
        Err(_) => {
            let message = format!("the body took more than {} s", limits.receive.as_secs_f64());
            Err(Fault::new(StatusCode::REQUEST_TIMEOUT, message))
        }
    }
}

fn check_type(headers: &HeaderMap) -> Result<(), Fault> {
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
