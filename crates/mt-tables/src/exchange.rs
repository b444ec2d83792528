//! Rows of a step from the ranks that keep them, and their gradients back.
//!
//! Three exchanges a step, each of all tables together: the distinct ids of a rank's batches go to the ranks that keep their rows,
//! the values come back, and after the backward pass each row's gradient goes there. Whoever keeps a row takes the sum of its
//! gradients along the tree of shards, and updates it: the sums of one process.

use std::sync::{Arc, PoisonError};

use mt_dist::{Message, Node, Reader, Tree};

use crate::embeddings::Embeddings;
use crate::error::Error;
use crate::ids::Ids;
use crate::ranks::Share;
use crate::scatter::RowGradients;
use crate::shared::Entry;

/// The gradients of all tables' rows over some shards of a step, apart from the tables.
#[derive(Debug, Default)]
pub struct TableGradients(Vec<RowGradients>);

impl TableGradients {
    /// The sums of two nodes of the tree of shards; `spare` gets a buffer to be used again.
    pub fn combine(mut left: Self, right: Self, spare: &mut Vec<Self>) -> Self {
        left.0.iter_mut().zip(&right.0).for_each(|(sums, more)| sums.merge(more));
        right.leave(spare);
        left
    }

    /// Leaves buffers, which keep their memory, to be used again.
    fn leave(mut self, spare: &mut Vec<Self>) {
        self.0.iter_mut().for_each(RowGradients::clear);
        spare.push(self);
    }
}

impl Embeddings {
    /// Takes the gradients that were collected into `gradients`, which had none, and leaves none.
    pub fn take_gradients(&self, gradients: &mut TableGradients) {
        self.size(gradients);
        let swap = |(entry, own)| std::mem::swap(&mut *Entry::gradients(entry), own);
        self.shared.tables.iter().zip(&mut gradients.0).for_each(swap);
    }

    /// Makes room for the gradients of each table.
    fn size(&self, gradients: &mut TableGradients) {
        let more = self.shared.tables.iter().skip(gradients.0.len());
        gradients.0.extend(more.map(|entry| RowGradients::new(entry.cfg.width)));
    }

    /// Makes `gradients` those that [`Embeddings::step`] applies.
    fn give_gradients(&self, mut gradients: TableGradients, spare: &mut Vec<TableGradients>) {
        self.take_gradients(&mut gradients);
        gradients.leave(spare);
    }

    /// What some batches look up, where several ranks share the tables: their rows are fetched from those that keep them. Comes out
    /// what is to be given to [`Embeddings::forward`] until the next call. All ranks call it alike. Of tables that are not shared
    /// nothing is done.
    ///
    /// # Errors
    /// As [`Embeddings::forward`], and [`Error::Ranks`] if another rank does not answer.
    pub fn fetch(&self, batches: Vec<Arc<[Ids]>>) -> Result<Vec<Arc<[Ids]>>, Error> {
        match self.shared.share.is_shared() {
            true => self.fetch_counted(batches, false),
            false => Ok(batches),
        }
    }

    /// The same, after the keys of a training step were counted, if that is what it is.
    pub(crate) fn fetch_counted(
        &self,
        batches: Vec<Arc<[Ids]>>,
        count: bool,
    ) -> Result<Vec<Arc<[Ids]>>, Error> {
        let (placed, share) = (&self.shared.placed, &self.shared.share);
        batches.iter().try_for_each(|ids| placed.check(ids).map(drop))?;
        let batches = if placed.grows { self.find_keys(batches, count)? } else { batches };
        if !share.is_shared() {
            return Ok(batches);
        }
        let tables = &self.shared.tables;
        let mut rows: Vec<_> = tables.iter().filter_map(Entry::fetched).map(|rows| rows.write()).collect();
        let mut rows: Vec<_> =
            rows.iter_mut().map(|rows| rows.as_mut().unwrap_or_else(|e| e.get_mut())).collect();
        rows.iter_mut().for_each(|rows| rows.clear());
        let mut found = Vec::with_capacity(batches.len());
        for ids in &batches {
            let fields = placed.fields.iter().zip(ids.iter());
            let here =
                fields.map(|(field, ids)| Ids { rows: rows[field.table].take(&ids.rows), ..ids.clone() });
            found.push(here.collect());
        }
        let mut asked: Vec<Vec<Vec<u32>>> = vec![vec![Vec::new(); tables.len()]; share.ranks.size()];
        // The rank that each row comes from.
        let mut from: Vec<Vec<usize>> = Vec::with_capacity(tables.len());
        for (t, (entry, rows)) in tables.iter().zip(&rows).enumerate() {
            let ask = |&row: &u32| {
                let (rank, place) = entry.owners.find(row);
                asked[rank][t].push(place);
                rank
            };
            from.push(rows.rows().iter().map(ask).collect());
        }
        let answers = share.ask(tables, &asked)?;
        let mut answers: Vec<Reader> = answers.iter().map(|answer| Reader::new(answer)).collect();
        for ((entry, rows), from) in tables.iter().zip(&mut rows).zip(from) {
            let values = rows.values_mut().chunks_exact_mut(entry.cfg.width);
            for (rank, values) in from.into_iter().zip(values) {
                answers[rank].floats_into(values)?;
            }
        }
        Ok(found)
    }

    /// Takes a rank's sums over some shards of a step, and brings each row's to the rank that keeps it, for [`Embeddings::step`]. All
    /// ranks call it alike. `spare` gets buffers to be used again.
    ///
    /// # Errors
    /// [`Error::Ranks`] if another rank does not answer.
    pub fn reduce(
        &self,
        nodes: Vec<Node<TableGradients>>,
        spare: &mut Vec<TableGradients>,
    ) -> Result<(), Error> {
        let share = &self.shared.share;
        let nodes = match share.is_shared() {
            true => self.exchange(nodes, spare)?,
            false => nodes,
        };
        let sums = Tree::root(share.shards, nodes, |a, b| TableGradients::combine(a, b, spare))?;
        if let Some(sums) = sums {
            self.give_gradients(sums, spare);
        }
        Ok(())
    }

    /// Gives each rank of all sums those of the rows that it keeps.
    fn exchange(
        &self,
        nodes: Vec<Node<TableGradients>>,
        spare: &mut Vec<TableGradients>,
    ) -> Result<Vec<Node<TableGradients>>, Error> {
        let (tables, share) = (&self.shared.tables, &self.shared.share);
        let mut messages = share.messages(tables, &nodes);
        nodes.into_iter().for_each(|node| node.value.leave(spare));
        share.ranks.exchange_in_place(&mut messages)?;
        let mut nodes = Vec::new();
        let mut touched = vec![false; tables.len()];
        for message in &messages {
            let mut reader = Reader::new(message);
            for _ in 0..reader.word()? {
                let shard = reader.word()?;
                let mut sums = spare.pop().unwrap_or_default();
                self.size(&mut sums);
                for ((entry, sums), touched) in tables.iter().zip(&mut sums.0).zip(&mut touched) {
                    let (own, all) = (reader.word()?, reader.word()?);
                    *touched |= all > 0;
                    let places = reader.words(own)?;
                    sums.add_sums(&places, &reader.floats(own * entry.cfg.width)?);
                }
                nodes.push(Node { shard, value: sums });
            }
        }
        for (entry, touched) in tables.iter().zip(touched) {
            entry.table_mut().touched = touched;
        }
        Ok(nodes)
    }
}

impl Share {
    /// The values of rows, asked for by rank, table and their places there: rank by rank, table by table.
    fn ask(&self, tables: &[Entry], asked: &[Vec<Vec<u32>>]) -> Result<Vec<Vec<u8>>, Error> {
        let ask = |of: &Vec<Vec<u32>>| {
            let mut words = Message::default();
            of.iter().for_each(|places| {
                words.put(&[places.len() as u32]);
                words.put(places);
            });
            words.into_bytes()
        };
        let mut questions: Vec<Vec<u8>> = asked.iter().map(ask).collect();
        self.ranks.exchange_in_place(&mut questions)?;
        let answer = |question: &Vec<u8>| {
            let (mut reader, mut answer) = (Reader::new(question), Message::default());
            for entry in tables {
                let count = reader.word()?;
                let places = reader.words(count)?;
                answer.put_floats(&entry.table().values(&places));
            }
            Ok(answer.into_bytes())
        };
        let mut answers = questions.iter().map(answer).collect::<Result<Vec<_>, Error>>()?;
        self.ranks.exchange_in_place(&mut answers)?;
        Ok(answers)
    }

    /// What each rank gets of the sums over some shards: those of the rows that it keeps.
    fn messages(&self, tables: &[Entry], nodes: &[Node<TableGradients>]) -> Vec<Vec<u8>> {
        let ranks = self.ranks.size();
        let mut to: Vec<Message> = (0..ranks).map(|_| Message::default()).collect();
        to.iter_mut().for_each(|words| words.put(&[nodes.len() as u32]));
        for node in nodes {
            to.iter_mut().for_each(|words| words.put(&[node.shard as u32]));
            for (entry, sums) in tables.iter().zip(&node.value.0) {
                let fetched = entry.fetched().map(|rows| rows.read().unwrap_or_else(PoisonError::into_inner));
                let rows = fetched.as_ref().map_or(&[][..], |fetched| fetched.rows());
                let mut places: Vec<Vec<u32>> = vec![Vec::new(); ranks];
                let mut values: Vec<Vec<f32>> = vec![Vec::new(); ranks];
                for (&id, sum) in sums.ids().iter().zip(sums.values().chunks_exact(entry.cfg.width)) {
                    let (rank, place) = entry.owners.find(rows[id as usize]);
                    places[rank].push(place);
                    values[rank].extend_from_slice(sum);
                }
                for ((words, places), values) in to.iter_mut().zip(&places).zip(&values) {
                    words.put(&[places.len() as u32, sums.ids().len() as u32]);
                    words.put(places);
                    words.put_floats(values);
                }
            }
        }
        to.into_iter().map(Message::into_bytes).collect()
    }
}
