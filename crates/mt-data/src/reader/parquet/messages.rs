//! The messages of Arrow's format for files and for streams: each a header, what it says of itself, and its bytes.

use std::io::{self, Read};
use std::vec::IntoIter;

use arrow_buffer::Buffer;
use arrow_ipc::convert::try_fb_to_schema;
use arrow_ipc::reader::read_footer_length;
use arrow_ipc::{Block, Message, MetadataVersion, root_as_footer, root_as_message};
use arrow_schema::{ArrowError, Schema};
use mt_storage::ReadAt;

use super::quiet::aloud;

type Result<T, E = ArrowError> = std::result::Result<T, E>;

/// What a file begins and ends with.
const MAGIC: &[u8] = b"ARROW1";
/// What a file of the first version begins with.
const FIRST_VERSION: &[u8] = b"FEA1";
/// What stands before a message, but in the oldest streams.
const MARK: [u8; 4] = [0xFF; 4];
/// The length of the footer and the magic bytes at the end of a file.
const END: u64 = 10;
/// Memory that is taken before any of what it is for has come.
const BEFORE: u64 = 1 << 20;

/// A message, with where its body begins.
pub(super) struct Piece {
    pub block: Block,
    pub bytes: Buffer,
}

/// Where messages come from.
pub(super) enum Messages {
    /// A file, of which the footer says where they are.
    File { file: Box<dyn ReadAt>, blocks: IntoIter<Block> },
    /// A stream, in which one follows the other.
    Stream(Box<dyn Read + Send>),
}

fn damaged(text: impl Into<String>) -> ArrowError {
    ArrowError::ParseError(text.into())
}

impl Piece {
    /// What it says of itself.
    pub fn message(&self) -> Result<Message<'_>> {
        let start = if self.bytes.starts_with(&MARK) { 8 } else { 4 };
        let end = usize::try_from(self.block.metaDataLength()).unwrap_or_default();
        let header = self.bytes.get(start..end).ok_or_else(|| damaged("a message without a header"))?;
        root_as_message(header).map_err(|error| damaged(format!("a message that cannot be: {error}")))
    }

    /// Its body.
    pub fn body(&self) -> &[u8] {
        let start = usize::try_from(self.block.metaDataLength()).unwrap_or_default();
        self.bytes.get(start..).unwrap_or_default()
    }
}

/// Opens a file: its messages, columns and version.
pub(super) fn open_file(file: Box<dyn ReadAt>) -> Result<(Messages, Schema, MetadataVersion)> {
    let size = file.size();
    let read = |at: u64, length: u64| -> Result<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from(length).map_err(|_| damaged("a footer beyond memory"))?];
        aloud(|| file.read_exact_at(at, &mut bytes))?;
        Ok(bytes)
    };
    let mut first = vec![0; MAGIC.len().min(usize::try_from(size).unwrap_or(MAGIC.len()))];
    aloud(|| file.read_exact_at(0, &mut first))?;
    if first.starts_with(FIRST_VERSION) {
        return Err(damaged("version 1 of Feather, which is no Arrow file; expected version 2"));
    }
    let end = size.checked_sub(END).ok_or_else(|| damaged("the file ends early"))?;
    let length = read(end, END)?.try_into().map_err(|_| damaged("the file ends early"))?;
    let length = read_footer_length(length)? as u64;
    let start = end.checked_sub(length).ok_or_else(|| damaged("a footer longer than the file"))?;
    let footer = read(start, length)?;
    let footer = root_as_footer(&footer).map_err(|error| damaged(format!("the footer: {error}")))?;
    let schema = footer.schema().ok_or_else(|| damaged("a footer without columns"))?;
    let (schema, version) = (read_schema(schema)?, footer.version());
    let dictionaries = footer.dictionaries().into_iter().flatten();
    let blocks: Vec<Block> =
        dictionaries.chain(footer.recordBatches().into_iter().flatten()).copied().collect();
    Ok((Messages::File { file, blocks: blocks.into_iter() }, schema, version))
}

/// Opens a stream: its messages, columns and version.
pub(super) fn open_stream(stream: Box<dyn Read + Send>) -> Result<(Messages, Schema, MetadataVersion)> {
    let mut messages = Messages::Stream(stream);
    let first = messages.next()?.ok_or_else(|| damaged("the file is empty"))?;
    let message = first.message()?;
    let schema =
        message.header_as_schema().ok_or_else(|| damaged("a stream that does not begin with its columns"))?;
    let (schema, version) = (read_schema(schema)?, message.version());
    Ok((messages, schema, version))
}

fn read_schema(schema: arrow_ipc::Schema<'_>) -> Result<Schema> {
    match schema.endianness().equals_to_target_endianness() {
        true => try_fb_to_schema(schema),
        false => Err(damaged("numbers in the other order of bytes")),
    }
}

impl Messages {
    /// The next message, if there is one.
    pub fn next(&mut self) -> Result<Option<Piece>> {
        match self {
            Messages::File { file, blocks } => {
                let Some(block) = blocks.next() else { return Ok(None) };
                Ok(Some(Piece { bytes: read_block(&**file, &block)?, block }))
            }
            Messages::Stream(stream) => read_message(&mut **stream),
        }
    }
}

fn read_block(file: &dyn ReadAt, block: &Block) -> Result<Buffer> {
    let part = || {
        let start = u64::try_from(block.offset()).ok()?;
        let (header, body) = (u64::try_from(block.metaDataLength()), u64::try_from(block.bodyLength()));
        let length = header.ok()?.checked_add(body.ok()?)?;
        let fits = length >= 8 && start.checked_add(length)? <= file.size();
        fits.then_some((start, usize::try_from(length).ok()?))
    };
    let (start, length) = part().ok_or_else(|| damaged("a message beyond the end of the file"))?;
    let mut bytes = vec![0; length];
    aloud(|| file.read_exact_at(start, &mut bytes))?;
    Ok(Buffer::from_vec(bytes))
}

/// The next message of a stream; `None` at its end, which the stream may say or not.
fn read_message(stream: &mut dyn Read) -> Result<Option<Piece>> {
    let mut bytes = Vec::new();
    if more(stream, 4, &mut bytes)? == 0 {
        return Ok(None);
    }
    if bytes == MARK && more(stream, 4, &mut bytes)? < 4 {
        return Err(cut());
    }
    let length = bytes.last_chunk::<4>().map(|length| i32::from_le_bytes(*length)).ok_or_else(cut)?;
    let length = u64::try_from(length).map_err(|_| damaged("a message of a length below zero"))?;
    if length == 0 {
        return Ok(None);
    }
    if more(stream, length, &mut bytes)? < length {
        return Err(cut());
    }
    let header = i32::try_from(bytes.len()).map_err(|_| damaged("a header beyond 2 GiB"))?;
    let header_alone = Piece { block: Block::new(0, header, 0), bytes: Buffer::from_vec(bytes) };
    let body = header_alone.message()?.bodyLength();
    let length = u64::try_from(body).map_err(|_| damaged("a message of a length below zero"))?;
    let mut bytes = header_alone.bytes.to_vec();
    if more(stream, length, &mut bytes)? < length {
        return Err(cut());
    }
    Ok(Some(Piece { block: Block::new(0, header, body), bytes: Buffer::from_vec(bytes) }))
}

fn cut() -> ArrowError {
    io::Error::from(io::ErrorKind::UnexpectedEof).into()
}

/// Appends up to `length` bytes of a stream, and says how many there were.
fn more(stream: &mut dyn Read, length: u64, to: &mut Vec<u8>) -> Result<u64> {
    to.reserve(length.min(BEFORE) as usize);
    Ok(aloud(|| stream.take(length).read_to_end(to))? as u64)
}
