//! An object that is read from its beginning to its end, ahead of whoever uses it.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use bytes::Bytes;
use futures_util::TryStreamExt;
use object_store::{GetOptions, ObjectMeta};
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;

use crate::object::{Place, error};

/// Pieces that wait to be used, of some ten KiB each.
const AHEAD: usize = 256;

/// An object on its way.
pub(crate) struct Download {
    pieces: Receiver<io::Result<Option<Bytes>>>,
    /// What has come and is not yet used.
    piece: Bytes,
    room: Arc<Semaphore>,
    task: AbortHandle,
    ended: bool,
}

/// Options of a request for the object that `meta` is about, and no later version of it.
pub(crate) fn options(meta: &ObjectMeta) -> GetOptions {
    // A weak tag says nothing of bytes.
    let tag = meta.e_tag.clone().filter(|tag| !tag.starts_with("W/"));
    GetOptions { if_match: tag, ..GetOptions::default() }
}

/// Sends the object piece by piece.
async fn fetch(
    place: Place,
    meta: ObjectMeta,
    pieces: Sender<io::Result<Option<Bytes>>>,
    room: Arc<Semaphore>,
) -> io::Result<()> {
    let found = place.store.get_opts(&place.key, options(&meta)).await.map_err(error)?;
    let mut stream = found.into_stream();
    let mut missing = meta.size;
    while let Some(piece) = stream.try_next().await.map_err(error)? {
        missing = missing.saturating_sub(piece.len() as u64);
        // It is never closed.
        if let Ok(permit) = room.acquire().await {
            permit.forget();
        }
        if pieces.send(Ok(Some(piece))).is_err() {
            return Ok(());
        }
    }
    if missing == 0 { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

impl Download {
    /// Asks for the object.
    pub fn start(runtime: &Runtime, place: Place, meta: ObjectMeta) -> Self {
        let (send, pieces) = channel();
        let room = Arc::new(Semaphore::new(AHEAD));
        let left = room.clone();
        let task = runtime.spawn(async move {
            let end = fetch(place, meta, send.clone(), left).await;
            // Nobody may wait for it any more.
            let _ = send.send(end.map(|()| None));
        });
        Download { pieces, piece: Bytes::new(), room, task: task.abort_handle(), ended: false }
    }
}

impl Read for Download {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() && !self.ended {
            let broken = || io::Error::other("the download was broken off");
            match self.pieces.recv().map_err(|_| broken())?? {
                None => self.ended = true,
                Some(piece) => {
                    self.piece = piece;
                    self.room.add_permits(1);
                }
            }
        }
        let length = buffer.len().min(self.piece.len());
        buffer[..length].copy_from_slice(&self.piece.split_to(length));
        Ok(length)
    }
}

impl Drop for Download {
    fn drop(&mut self) {
        self.task.abort();
    }
}
