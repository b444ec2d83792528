//! The keys of a table to and from tensors. Keys are unsigned; as candle has no such type of 64 bits, their bits are
//! kept as signed ones.

use candle_core::{Device, Result, Tensor};

use crate::growing::{SavedKeys, Slot};
use crate::growth::RESERVED;

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
