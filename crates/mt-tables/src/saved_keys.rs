//! The keys of a table to and from tensors. Keys are unsigned; as candle has no such type of 64 bits, their bits are
//! kept as signed ones.

use candle_core::{Device, Result, Tensor};
use mt_dist::{Message, Reader};

use crate::buckets::Spans;
use crate::error::Error;
use crate::growing::{SavedKeys, Slot};
use crate::growth::RESERVED;
use crate::ranks::Share;
use crate::trained::Trained;

/// Tensors by what they are, see [`Embeddings::export`](crate::Embeddings::export).
pub(crate) fn to_tensors(keys: &SavedKeys) -> Result<[(&'static str, Tensor); 6]> {
    let of = |slots: &mut dyn Iterator<Item = u64>| {
        Tensor::new(slots.map(u64::cast_signed).collect::<Vec<i64>>(), &Device::Cpu)
    };
    let counts: Vec<u32> = keys.waiting.iter().map(|slot| slot.count).collect();
    Ok([
        ("keys", of(&mut keys.rows.iter().map(|(_, slot)| slot.key))?),
        ("last", of(&mut keys.rows.iter().map(|(_, slot)| slot.last))?),
        ("clock", of(&mut [keys.clock, keys.admitted, keys.evicted].into_iter())?),
        ("waiting", of(&mut keys.waiting.iter().map(|slot| slot.key))?),
        ("waiting_last", of(&mut keys.waiting.iter().map(|slot| slot.last))?),
        ("waiting_counts", Tensor::new(counts, &Device::Cpu)?),
    ])
}

/// The keys of a table of which the rows `ids` were trained, or what is wrong with them.
pub(crate) fn from_tensors<'a>(
    ids: &[u32],
    mut find: impl FnMut(&str) -> Option<&'a Tensor>,
) -> std::result::Result<SavedKeys, String> {
    let own = &ids[ids.partition_point(|&id| id < RESERVED)..];
    let missing = |what: &str| format!("{what:?} is missing or of another size");
    let mut words = |what: &str, len: Option<usize>| {
        let words = find(what).and_then(|tensor| tensor.to_vec1::<i64>().ok());
        let words = words.filter(|words| len.is_none_or(|len| words.len() == len));
        let words = words.ok_or_else(|| missing(what))?;
        Ok::<_, String>(words.into_iter().map(i64::cast_unsigned).collect::<Vec<u64>>())
    };
    let (keys, last) = (words("keys", Some(own.len()))?, words("last", Some(own.len()))?);
    let clock = words("clock", Some(3))?;
    let waiting = words("waiting", None)?;
    let waiting_last = words("waiting_last", Some(waiting.len()))?;
    let counts = find("waiting_counts").and_then(|tensor| tensor.to_vec1::<u32>().ok());
    let counts = counts.filter(|counts| counts.len() == waiting.len() && !counts.contains(&0));
    let counts = counts.ok_or_else(|| missing("waiting_counts"))?;
    let mut all = [&keys[..], &waiting].concat();
    all.sort_unstable();
    if !all.is_sorted_by(|a, b| a < b) {
        return Err("a key is there twice".to_owned());
    }
    let slot = |((key, last), count)| Slot { key, last, count };
    let with_row = keys.into_iter().zip(last).zip(std::iter::repeat(1)).map(slot);
    let mut waiting: Vec<Slot> = waiting.into_iter().zip(waiting_last).zip(counts).map(slot).collect();
    waiting.sort_unstable_by_key(|slot| slot.key);
    Ok(SavedKeys {
        clock: clock[0],
        admitted: clock[1],
        evicted: clock[2],
        rows: own.iter().copied().zip(with_row).collect(),
        waiting,
    })
}

impl SavedKeys {
    /// The same with each key's row in its bucket, and the trained rows where they are then; nothing moves that was saved with these
    /// buckets.
    pub fn settled(mut self, spans: Spans, trained: Trained, width: usize) -> (Trained, Self) {
        let rows = spans.settle(&self);
        if rows.iter().zip(&self.rows).all(|(row, (then, _))| *row == Some(*then)) {
            return (trained, self);
        }
        let reserved = trained.ids.len() - self.rows.len();
        let places = trained.ids[..reserved].iter().map(|&id| Some(id)).chain(rows.iter().copied());
        let mut moved: Vec<(u32, usize)> = places.zip(0..).filter_map(|(row, at)| Some((row?, at))).collect();
        moved.sort_unstable();
        let mut settled = trained.pick(&moved.iter().map(|(_, at)| *at).collect::<Vec<_>>(), width);
        settled.ids = moved.iter().map(|(row, _)| *row).collect();
        let slots = moved.iter().filter_map(|&(row, at)| Some((row, self.rows[at.checked_sub(reserved)?].1)));
        self.rows = slots.collect();
        (settled, self)
    }

    fn to_message(&self) -> Message {
        let (mut message, of) = (Message::default(), |n: u64| [n as u32, (n >> 32) as u32]);
        message.put(&[of(self.clock), of(self.admitted), of(self.evicted)].concat());
        let slots =
            self.rows.iter().map(|(row, slot)| (*row, slot)).chain(self.waiting.iter().map(|slot| (0, slot)));
        message.put(&[self.rows.len() as u32, self.waiting.len() as u32]);
        for (row, Slot { key, last, count }) in slots {
            message.put(&[of(*key), of(*last), [row, *count]].concat());
        }
        message
    }

    /// Adds what another rank sent of its keys.
    fn read(&mut self, message: &[u8]) -> std::result::Result<(), Error> {
        let mut reader = Reader::new(message);
        let number = |reader: &mut Reader| -> std::result::Result<u64, Error> {
            Ok(reader.word()? as u64 | (reader.word()? as u64) << 32)
        };
        self.clock = self.clock.max(number(&mut reader)?);
        self.admitted += number(&mut reader)?;
        self.evicted += number(&mut reader)?;
        let (rows, waiting) = (reader.word()?, reader.word()?);
        for n in 0..rows + waiting {
            let (key, last) = (number(&mut reader)?, number(&mut reader)?);
            let (row, count) = (reader.word()? as u32, reader.word()? as u32);
            let slot = Slot { key, last, count };
            if n < rows { self.rows.push((row, slot)) } else { self.waiting.push(slot) }
        }
        Ok(())
    }
}

impl Share {
    /// The keys of all ranks, on the first one; nothing of use on others.
    pub(crate) fn collect_keys(&self, own: SavedKeys) -> std::result::Result<SavedKeys, Error> {
        if !self.is_shared() {
            return Ok(own);
        }
        let mut messages = vec![Vec::new(); self.ranks.size()];
        messages[0] = own.to_message().into_bytes();
        self.ranks.exchange_in_place(&mut messages)?;
        let mut all = SavedKeys::default();
        if self.ranks.rank() == 0 {
            messages.iter().try_for_each(|message| all.read(message))?;
            all.rows.sort_unstable_by_key(|(row, _)| *row);
            all.waiting.sort_unstable_by_key(|slot| slot.key);
        }
        Ok(all)
    }
}
