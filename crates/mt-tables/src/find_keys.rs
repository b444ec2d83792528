//! The rows of keys, from the ranks that keep them.

use std::sync::Arc;

use mt_dist::{Message, Reader};

use crate::embeddings::Embeddings;
use crate::error::Error;
use crate::growth::RESERVED;
use crate::ids::Ids;
use crate::shared::Entry;
use crate::sighted::Sighted;

impl Embeddings {
    /// Rows in the place of keys, 0 of those that have none. If this is to `count`, it is a training step: all of its keys are
    /// counted first, in the order of their first sighting by shard, field and row.
    pub(crate) fn find_keys(&self, batches: Vec<Arc<[Ids]>>, count: bool) -> Result<Vec<Arc<[Ids]>>, Error> {
        let tables = &self.shared.tables;
        let mut sighted: Vec<Sighted> = tables.iter().map(|_| Sighted::default()).collect();
        let fields = &self.shared.placed.fields;
        let mut of_batch = |ids: &Arc<[Ids]>| -> Vec<Ids> {
            let place = |(ids, table): (&Ids, usize)| match tables[table].cfg.growth {
                Some(_) => Ids { rows: sighted[table].take(ids), ..ids.clone() },
                None => ids.clone(),
            };
            ids.iter().zip(fields.iter().map(|field| field.table)).map(place).collect()
        };
        let mut found: Vec<Vec<Ids>> = batches.iter().map(&mut of_batch).collect();
        let rows = self.rows_of_keys(&sighted, count)?;
        for ids in &mut found {
            for (ids, field) in ids.iter_mut().zip(fields).filter(|(ids, _)| ids.keys.is_some()) {
                let rows = &rows[field.table];
                let row = |place: &mut u32| {
                    *place = place.checked_sub(RESERVED).map_or(*place, |at| rows[at as usize])
                };
                ids.rows.iter_mut().for_each(row);
                ids.keys = None;
            }
        }
        Ok(found.into_iter().map(Into::into).collect())
    }

    /// The rows of some keys, table by table.
    fn rows_of_keys(&self, sighted: &[Sighted], count: bool) -> Result<Vec<Vec<u32>>, Error> {
        let (tables, ranks) = (&self.shared.tables, &self.shared.share.ranks);
        let growing = || tables.iter().zip(sighted).filter(|(entry, _)| entry.cfg.growth.is_some());
        let mut questions: Vec<Message> = vec![Message::default(); ranks.size()];
        for (entry, sighted) in growing() {
            let mut asked: Vec<(Vec<u32>, Vec<u32>)> = vec![Default::default(); ranks.size()];
            for (key, times) in sighted.iter() {
                let (keys, counts) = &mut asked[entry.owners.of_key(key)];
                keys.extend([key as u32, (key >> 32) as u32]);
                counts.push(times);
            }
            for (message, (keys, counts)) in questions.iter_mut().zip(asked) {
                message.put(&[counts.len() as u32]);
                message.put(&keys);
                message.put(&counts);
            }
        }
        let mut messages: Vec<Vec<u8>> = questions.into_iter().map(Message::into_bytes).collect();
        ranks.exchange_in_place(&mut messages)?;
        let mut readers: Vec<Reader> = messages.iter().map(|message| Reader::new(message)).collect();
        let mut answers: Vec<Message> = vec![Message::default(); ranks.size()];
        for (entry, _) in growing() {
            let (mut all, mut asked) = (Sighted::default(), Vec::with_capacity(ranks.size()));
            for reader in &mut readers {
                let keys = reader.word()?;
                let (halves, counts) = (reader.words(2 * keys)?, reader.words(keys)?);
                let (halves, _) = halves.as_chunks();
                let key = |&[low, high]: &[u32; 2]| u64::from(low) | u64::from(high) << 32;
                let keys: Vec<u64> = halves.iter().map(key).collect();
                for (&key, times) in keys.iter().zip(counts) {
                    all.add(key, times);
                }
                asked.push(keys);
            }
            if count {
                entry.table_mut().count(&all);
            }
            let table = entry.table();
            for (answer, keys) in answers.iter_mut().zip(asked) {
                answer.put(&table.rows_of_keys(&keys));
            }
        }
        let mut messages: Vec<Vec<u8>> = answers.into_iter().map(Message::into_bytes).collect();
        ranks.exchange_in_place(&mut messages)?;
        let mut readers: Vec<Reader> = messages.iter().map(|message| Reader::new(message)).collect();
        let rows = |(entry, sighted): (&Entry, &Sighted)| -> Result<Vec<u32>, Error> {
            if entry.cfg.growth.is_none() {
                return Ok(Vec::new());
            }
            let mut asked: Vec<usize> = vec![0; ranks.size()];
            let owners: Vec<usize> = sighted.keys().iter().map(|&key| entry.owners.of_key(key)).collect();
            owners.iter().for_each(|&rank| asked[rank] += 1);
            let rows = readers.iter_mut().zip(asked).map(|(reader, count)| reader.words(count));
            let mut rows = rows.map(|rows| Ok(rows?.into_iter())).collect::<Result<Vec<_>, Error>>()?;
            Ok(owners.into_iter().filter_map(|rank| rows[rank].next()).collect())
        };
        tables.iter().zip(sighted).map(rows).collect()
    }
}
