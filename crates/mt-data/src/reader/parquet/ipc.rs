//! Arrow files and streams: the batches of their messages.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow_array::RecordBatch;
use arrow_ipc::reader::FileDecoder;
use arrow_ipc::{MessageHeader, MetadataVersion, RecordBatch as Header};
use arrow_schema::{ArrowError, SchemaRef};
use mt_storage::{Format, Storage};
use rayon::prelude::*;

use super::messages::{Messages, Piece, open_file, open_stream};
use super::quiet::caught;
use crate::error::{Error, Result};

/// Bytes of messages that are decoded side by side; of larger ones, one at a time.
const SIDE_BY_SIDE: usize = 64 << 20;
/// A buffer that is said to be longer is asked for before it is decoded: where there is no such memory, that is an error.
const LARGE: usize = 64 << 20;
/// More times its length than a buffer can hold, whatever compresses it.
const MOST_TIMES: usize = 1 << 17;

/// An open file or stream.
pub(super) struct Ipc {
    messages: Messages,
    decoder: Option<FileDecoder>,
    schema: SchemaRef,
    version: MetadataVersion,
    /// A message that was read and not yet decoded.
    waiting: Option<Piece>,
    /// What was decoded and not yet handed out.
    decoded: VecDeque<Result<RecordBatch, ArrowError>>,
    bytes: Arc<AtomicU64>,
}

impl Ipc {
    /// Opens what `format` says the file is; `bytes` counts what is read.
    pub fn open(storage: &Storage, path: &Path, format: Format, bytes: Arc<AtomicU64>) -> Result<Self> {
        let opened = match format {
            Format::ArrowStream => {
                let stream = storage.read(path)?;
                guarded(|| open_stream(stream))
            }
            _ => {
                let file = storage.open(path)?;
                guarded(|| open_file(file))
            }
        };
        let (messages, schema, version) = opened.map_err(|error| unreadable(path, error))?;
        let schema = Arc::new(schema);
        let (waiting, decoded) = (None, VecDeque::new());
        Ok(Ipc { messages, decoder: None, schema, version, waiting, decoded, bytes })
    }

    /// The columns.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The next batch of `columns`, always the same.
    pub fn next(&mut self, columns: &[usize]) -> Result<Option<RecordBatch>, ArrowError> {
        if self.decoded.is_empty() {
            self.decode(columns);
        }
        self.decoded.pop_front().transpose()
    }

    /// Decodes the next messages: some batches side by side, as far as no dictionary comes between them.
    fn decode(&mut self, columns: &[usize]) {
        let new = || FileDecoder::new(self.schema.clone(), self.version).with_projection(columns.to_vec());
        let decoder = self.decoder.get_or_insert_with(new);
        let (mut batches, mut size, mut failure) = (Vec::new(), 0, None);
        while batches.len() < rayon::current_num_threads() && size < SIDE_BY_SIDE {
            let next = match self.waiting.take() {
                Some(piece) => Ok(Some(piece)),
                None => guarded(|| self.messages.next()),
            };
            match next {
                Ok(None) => break,
                Ok(Some(piece)) => match guarded(|| kind(&piece)) {
                    Ok(Kind::Dictionary) if !batches.is_empty() => {
                        self.waiting = Some(piece);
                        break;
                    }
                    Ok(Kind::Dictionary) => {
                        self.bytes.fetch_add(piece.bytes.len() as u64, Ordering::Relaxed);
                        failure = guarded(|| decoder.read_dictionary(&piece.block, &piece.bytes)).err();
                    }
                    Ok(Kind::Batch) => {
                        size += piece.bytes.len();
                        batches.push(piece);
                    }
                    Err(error) => failure = Some(error),
                },
                Err(error) => failure = Some(error),
            }
            if failure.is_some() {
                break;
            }
        }
        self.bytes.fetch_add(size as u64, Ordering::Relaxed);
        let read = |piece: &Piece| {
            let read = || decoder.read_record_batch(&piece.block, &piece.bytes);
            guarded(read)?.ok_or_else(|| damaged("a message without rows"))
        };
        let batches: Vec<_> = batches.par_iter().with_max_len(1).map(read).collect();
        self.decoded.extend(batches);
        self.decoded.extend(failure.map(Err));
    }
}

/// What a message holds.
enum Kind {
    Batch,
    Dictionary,
}

/// What a message holds, if that can be.
fn kind(piece: &Piece) -> Result<Kind, ArrowError> {
    let message = piece.message()?;
    let none = || damaged("a message without a header");
    match message.header_type() {
        MessageHeader::RecordBatch => {
            check(message.header_as_record_batch().ok_or_else(none)?, piece.body())?;
            Ok(Kind::Batch)
        }
        MessageHeader::DictionaryBatch => {
            let dictionary = message.header_as_dictionary_batch().ok_or_else(none)?;
            check(dictionary.data().ok_or_else(none)?, piece.body())?;
            Ok(Kind::Dictionary)
        }
        other => Err(damaged(&format!("a message of the kind {other:?}"))),
    }
}

/// Refuses what the decoder would take the word of the file for: numbers of rows, and lengths of what is compressed.
fn check(header: Header<'_>, body: &[u8]) -> Result<(), ArrowError> {
    let rows = header.nodes().and_then(|nodes| nodes.iter().next()).map(|node| node.length());
    if header.length() < 0 || rows.is_some_and(|rows| rows != header.length()) {
        return Err(damaged("a number of rows that cannot be"));
    }
    if header.compression().is_none() {
        return Ok(());
    }
    for buffer in header.buffers().into_iter().flatten() {
        let length = usize::try_from(buffer.length()).unwrap_or_default();
        let start = usize::try_from(buffer.offset()).ok();
        let said = start.and_then(|start| body.get(start..)).and_then(|bytes| bytes.first_chunk::<8>());
        let Some(said) = said.filter(|_| length > 0).map(|said| i64::from_le_bytes(*said)) else { continue };
        let Some(said) = usize::try_from(said).ok().filter(|&said| said > LARGE) else { continue };
        let room = said / MOST_TIMES <= length && Vec::<u8>::new().try_reserve_exact(said).is_ok();
        if !room {
            return Err(damaged(&format!("{said} bytes, compressed to {length}")));
        }
    }
    Ok(())
}

fn damaged(text: &str) -> ArrowError {
    ArrowError::ParseError(text.to_owned())
}

/// What `read` gives; the decoder asserts some of what a damaged file may have otherwise.
fn guarded<T>(read: impl FnOnce() -> Result<T, ArrowError>) -> Result<T, ArrowError> {
    caught(read).unwrap_or_else(|| Err(damaged("what the file says of itself cannot be")))
}

/// That a file cannot be read.
pub(super) fn unreadable(path: &Path, error: ArrowError) -> Error {
    Error::Arrow { path: path.to_owned(), source: error.into() }
}
