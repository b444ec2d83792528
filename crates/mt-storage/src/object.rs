//! One object: where it is, and how its store is asked.

use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use object_store::path::Path as Key;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};
use tokio::runtime::{Builder, Runtime};

/// Where an object is, or the beginning of some.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub store: Arc<dyn ObjectStore>,
    pub key: Key,
    /// The URL of the store.
    pub base: String,
    /// Whether the store says which objects it has.
    pub listed: bool,
}

impl Place {
    /// The URL of another key of its store.
    pub fn url(&self, key: &Key) -> PathBuf {
        let key = key.as_ref().replace('%', "%25").replace('#', "%23").replace('?', "%3F");
        PathBuf::from(format!("{}/{key}", self.base))
    }

    pub fn head(&self) -> io::Result<ObjectMeta> {
        let Place { store, key, .. } = self.clone();
        wait(async move { store.head(&key).await })
    }
}

/// What the system would say.
pub(crate) fn error(error: object_store::Error) -> io::Error {
    use object_store::Error::{NotFound, PermissionDenied, Precondition, Unauthenticated};
    match error {
        NotFound { .. } => io::Error::new(io::ErrorKind::NotFound, error),
        PermissionDenied { .. } | Unauthenticated { .. } => {
            io::Error::new(io::ErrorKind::PermissionDenied, error)
        }
        Precondition { .. } => io::Error::other("it was changed while it was read"),
        other => io::Error::other(other),
    }
}

/// The threads that wait for answers, of all storages.
pub(crate) fn runtime() -> io::Result<&'static Runtime> {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    if let Some(runtime) = RUNTIME.get() {
        return Ok(runtime);
    }
    let started =
        Builder::new_multi_thread().worker_threads(2).thread_name("objects").enable_all().build()?;
    Ok(RUNTIME.get_or_init(|| started))
}

/// Waits for an answer. It may be called from any thread, those of another runtime among them.
pub(crate) fn wait<T, F>(future: F) -> io::Result<T>
where
    T: Send + 'static,
    F: Future<Output = object_store::Result<T>> + Send + 'static,
{
    let (done, answer) = mpsc::channel();
    runtime()?.spawn(async move {
        // Nobody may wait for it any more.
        let _ = done.send(future.await);
    });
    loop {
        let result = match rayon::current_thread_index() {
            None => answer.recv().map_err(RecvTimeoutError::from),
            // A store of the caller's may need the workers, of which this is one.
            Some(_) => {
                rayon::yield_now();
                answer.recv_timeout(Duration::from_millis(1))
            }
        };
        match result {
            Ok(result) => return result.map_err(error),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                return Err(io::Error::other("the request was broken off"));
            }
        }
    }
}
