//! Requests that are not answered with predictions.

use hyper::StatusCode;

/// Characters of a message at most: some repeat what the client sent.
const LONGEST: usize = 1000;

/// Why, for the client.
#[derive(Debug)]
pub(crate) struct Fault {
    pub status: StatusCode,
    pub message: String,
}

impl Fault {
    pub fn new(status: StatusCode, message: impl Into<String>) -> Self {
        let mut message = message.into();
        if let Some((end, _)) = message.char_indices().nth(LONGEST) {
            message.truncate(end);
            message.push('…');
        }
        Self { status, message }
    }

    /// The request is at fault.
    pub fn bad(message: impl ToString) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message.to_string())
    }

    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }

    pub fn too_large(message: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, message)
    }

    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, message)
    }

    /// The model failed on rows that it had taken.
    pub fn failed(error: &mt_bundle::Error) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, format!("the model failed: {error}"))
    }
}
