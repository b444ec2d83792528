//! Answers.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{
    ALLOW, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE,
};
use hyper::{Response, StatusCode};
use serde::Serialize;

use crate::predict::Answered;
use crate::v2::JSON_BYTES;

/// An answer with its body.
pub(super) type Answer = Response<Full<Bytes>>;

const JSON: HeaderValue = HeaderValue::from_static("application/json");

fn ok(kind: HeaderValue, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    answer.headers_mut().insert(CONTENT_TYPE, kind);
    answer
}

/// The page to try a row by hand. It loads nothing, and talks to this server alone.
pub(super) fn page() -> Answer {
    let mut answer = ok(HeaderValue::from_static("text/html; charset=utf-8"), include_str!("../page.html"));
    let policy = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; \
                  frame-ancestors 'none'; base-uri 'none'; form-action 'none'";
    answer.headers_mut().insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    answer
}

pub(super) fn json(value: &impl Serialize) -> Answer {
    let mut out = Vec::new();
    crate::predict::json(&mut out, value);
    ok(JSON, out)
}

pub(super) fn text(text: String) -> Answer {
    ok(HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8"), text)
}

/// Predictions.
pub(super) fn bytes(answered: Answered) -> Answer {
    match answered.json {
        None => ok(JSON, answered.body),
        Some(json) => {
            let mut answer = ok(HeaderValue::from_static("application/octet-stream"), answered.body);
            answer.headers_mut().insert(HeaderName::from_static(JSON_BYTES), HeaderValue::from(json));
            answer
        }
    }
}

/// What is wrong. `error` is a text, as in the Open Inference Protocol.
pub(super) fn fault(status: StatusCode, error: &str, request_id: &str, allow: &'static str) -> Answer {
    #[derive(Serialize)]
    struct Body<'a> {
        error: &'a str,
        request_id: &'a str,
    }
    let mut answer = json(&Body { error, request_id });
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    match status {
        StatusCode::METHOD_NOT_ALLOWED => headers.insert(ALLOW, HeaderValue::from_static(allow)),
        StatusCode::SERVICE_UNAVAILABLE => headers.insert(RETRY_AFTER, HeaderValue::from(1)),
        StatusCode::UNAUTHORIZED => headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")),
        _ => None,
    };
    answer
}
