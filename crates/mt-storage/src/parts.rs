//! An object of which parts are read, few requests for many of them.

use std::io;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use object_store::{GetRange, OBJECT_STORE_COALESCE_DEFAULT, ObjectMeta, coalesce_ranges};

use crate::download::options;
use crate::object::{Place, wait};
use crate::store::ReadAt;

/// What is read of the end at once: of most files, all that says where columns are.
const TAIL: u64 = 64 << 10;
/// So much is held of what is said to be read next; of more, each part is asked for when it is read.
const MOST: u64 = 512 << 20;

/// An open object.
pub(crate) struct Parts {
    place: Place,
    meta: ObjectMeta,
    /// Parts that have come, by where they begin.
    held: Mutex<Vec<(u64, Bytes)>>,
}

impl Parts {
    /// Opens it, with its end.
    pub fn open(place: Place, meta: &ObjectMeta) -> io::Result<Self> {
        let parts = Parts { place, meta: meta.clone(), held: Mutex::default() };
        let tail = meta.size.saturating_sub(TAIL)..meta.size;
        parts.expect(std::slice::from_ref(&tail))?;
        Ok(parts)
    }

    /// What is held from a byte on.
    fn held_from(&self, at: u64) -> Option<Bytes> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.iter().find_map(|(start, bytes)| {
            let from = usize::try_from(at.checked_sub(*start)?).ok()?;
            (from < bytes.len()).then(|| bytes.slice(from..))
        })
    }

    /// What is held of a part, if it is all of it.
    fn held(&self, part: &Range<u64>) -> Option<Bytes> {
        let (mut bytes, length) = (self.held_from(part.start)?, usize::try_from(part.end - part.start).ok()?);
        (length <= bytes.len()).then(|| bytes.split_to(length))
    }

    /// Asks for parts, those that lie close together at once.
    fn fetch(&self, parts: Vec<Range<u64>>) -> io::Result<Vec<Bytes>> {
        let (Place { store, key, .. }, meta) = (self.place.clone(), self.meta.clone());
        wait(async move {
            let fetch = |part: Range<u64>| {
                let options = options(&meta).with_range(Some(GetRange::Bounded(part)));
                let (store, key) = (store.clone(), key.clone());
                async move { store.get_opts(&key, options).await?.bytes().await }
            };
            coalesce_ranges(&parts, fetch, OBJECT_STORE_COALESCE_DEFAULT).await
        })
    }
}

impl ReadAt for Parts {
    fn size(&self) -> u64 {
        self.meta.size
    }

    fn read_exact_at(&self, at: u64, buffer: &mut [u8]) -> io::Result<()> {
        let part = at..at + buffer.len() as u64;
        if part.is_empty() {
            return Ok(());
        }
        let bytes = match self.held(&part) {
            Some(bytes) => bytes,
            None => self.fetch(vec![part])?.pop().unwrap_or_default(),
        };
        let bytes = bytes.get(..buffer.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        buffer.copy_from_slice(bytes);
        Ok(())
    }

    fn read_at(&self, at: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let held = self.held_from(at).map_or(buffer.len(), |held| held.len());
        let length = buffer.len().min(held);
        self.read_exact_at(at, &mut buffer[..length]).map(|()| length)
    }

    fn expect(&self, parts: &[Range<u64>]) -> io::Result<()> {
        let parts = parts.iter().filter(|part| !part.is_empty() && part.end <= self.meta.size);
        let all: u64 = parts.clone().map(|part| part.end - part.start).sum();
        let (mut held, mut missing) = (Vec::new(), Vec::new());
        for part in parts.filter(|_| all <= MOST) {
            match self.held(part) {
                Some(bytes) => held.push((part.start, bytes)),
                None => missing.push(part.clone()),
            }
        }
        let starts: Vec<u64> = missing.iter().map(|part| part.start).collect();
        held.extend(starts.into_iter().zip(self.fetch(missing)?));
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = held;
        Ok(())
    }
}
