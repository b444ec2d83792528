//! Batches made ready by a thread of their own while the step before them runs.

use std::ops::Range;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::Scope;
use std::time::{Duration, Instant};

use candle_core::Device;
use mt_models::Features;

use crate::epochs::{Batches, Whole};
use crate::error::Result;
use crate::labelled::Labelled;

/// The batches of a step that are this rank's, as the training step takes them.
type Ready = (Vec<Features>, Vec<Labelled>);

/// Rows handed over at once: waking the other thread for every small batch would cost a tenth of its step.
const ROWS: usize = 4096;

/// Hand-overs that may lie ready; enough to ride out the other thread's pauses.
const DEPTH: usize = 2;

/// How the batches of an epoch make steps.
#[derive(Debug, Clone)]
pub(crate) struct Steps {
    /// Rows of a batch, about.
    pub size: usize,
    /// Batches of a step, at most.
    pub shards: usize,
    /// Those of them that are made ready here.
    pub own: Range<usize>,
}

/// The steps of an epoch, in order.
pub(crate) struct Ahead {
    groups: Receiver<Result<Vec<Ready>>>,
    group: std::vec::IntoIter<Ready>,
    /// Each order is for one more group.
    orders: Sender<()>,
    /// Groups taken for which no other was ordered yet.
    taken: usize,
    /// Time spent waiting for the other thread.
    pub waited: Duration,
}

impl Ahead {
    /// The batches of the next step, none where it has fewer shards than come before this rank's; `None` after the last.
    pub fn step(&mut self) -> Result<Option<Ready>> {
        loop {
            if let Some(ready) = self.group.next() {
                return Ok(Some(ready));
            }
            // All that were ordered may be taken, as nobody has to ask for the next ones.
            if self.taken == DEPTH {
                self.go_on();
            }
            let since = Instant::now();
            let group = self.groups.recv();
            self.waited += since.elapsed();
            match group {
                Ok(group) => (self.group, self.taken) = (group?.into_iter(), self.taken + 1),
                Err(_) => return Ok(None),
            }
        }
    }

    /// Lets the other thread make the next batches. To be called where what follows leaves a processor idle: from the
    /// passes of a large batch it would take one, and leave most of them to this thread.
    pub fn go_on(&mut self) {
        for _ in 0..std::mem::take(&mut self.taken) {
            // It is gone after the last batch.
            let _ = self.orders.send(());
        }
    }
}

/// The steps of the batches that `epoch` draws up, on `device`; `then` is called when the first are there. The thread ends with the
/// epoch, or when the iterator is dropped.
pub(crate) fn ahead<'scope, 'env: 'scope>(
    scope: &'scope Scope<'scope, 'env>,
    Steps { size, shards, own }: Steps,
    device: &Device,
    epoch: impl FnOnce() -> Batches<'env> + Send + 'scope,
    then: impl FnOnce() + Send + 'scope,
) -> Ahead {
    let ((sender, groups), (orders, asked)) = (channel(), channel());
    let device = device.clone();
    scope.spawn(move || {
        let (mut batches, mut then) = (epoch(), Some(then));
        let count = batches.ends().len();
        let steps: Vec<usize> = (0..count).step_by(shards).collect();
        for group in steps.chunks((ROWS / (size * shards)).max(1)) {
            // There are no more orders when the epoch is left.
            if asked.recv().is_err() {
                break;
            }
            let mut step = |&first: &usize| -> Result<Ready> {
                let own = (first + own.start..first + own.end).take_while(|batch| *batch < count);
                own.map(|batch| ready(batches.get(batch)?, &device)).collect()
            };
            let ready: Result<Vec<Ready>> = group.iter().map(&mut step).collect();
            let ready = ready.and_then(|ready| arrived(&device).map(|()| ready));
            let failed = ready.is_err();
            then.take().into_iter().for_each(|then| then());
            if sender.send(ready).is_err() || failed {
                break;
            }
        }
    });
    let mut ahead =
        Ahead { groups, group: Vec::new().into_iter(), orders, taken: DEPTH, waited: Duration::ZERO };
    ahead.go_on();
    ahead
}

/// Waits for the copies that this thread began. CUDA orders work by thread, so that the one which trains might read memory
/// before the copy into it is done.
fn arrived(device: &Device) -> Result<()> {
    if device.is_cuda() {
        device.synchronize()?;
    }
    Ok(())
}

fn ready((mut batch, groups): Whole, device: &Device) -> Result<(Features, Labelled)> {
    let labelled = Labelled::take(&mut batch, groups);
    Ok((Features::of(batch)?.to_device(device)?, labelled))
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::order::Order;
    use mt_data::Rows;
    use mt_features::{DenseRows, Numeric, Table};

    #[test]
    fn steps_come_in_order_and_each_rank_gets_its_shards() -> Result<()> {
        let count = 5 * ROWS + 7;
        let numeric = Numeric::Dense(DenseRows { width: 1, values: vec![0.0; count] });
        let labels = (0..count).map(|row| row as f32).collect();
        let table = Table::new(numeric, labels, vec![1.0; count], 1)?;
        let rows: Vec<u32> = (0..count as u32).rev().collect();
        std::thread::scope(|scope| {
            for (size, shards) in [(ROWS, 1), (ROWS, 4), (1000, 1), (100, 8)] {
                let mut ranks = Vec::new();
                for own in [0..shards / 2, shards / 2..shards] {
                    let rows = rows.clone();
                    let rows_of = Rows::Table(&table);
                    let epoch = move || Batches::of(rows_of, Order::cut(rows, size), false);
                    let steps = Steps { size, shards, own };
                    ranks.push(ahead(scope, steps, &Device::Cpu, epoch, || ()));
                }
                let mut found = Vec::new();
                while let (Some(a), Some(b)) = (ranks[0].step()?, ranks[1].step()?) {
                    for (xs, labelled) in [a, b] {
                        assert_eq!(xs.len(), labelled.len());
                        found.extend(labelled.into_iter().flat_map(|batch| batch.labels));
                    }
                    // It is only a hint: without it, the next batches come later.
                    if shards > 1 {
                        ranks.iter_mut().for_each(Ahead::go_on);
                    }
                }
                assert!(ranks[0].step()?.is_none() && ranks[1].step()?.is_none());
                assert!(found.iter().rev().enumerate().all(|(row, label)| *label == row as f32));
                assert_eq!(found.len(), count);
            }
            Ok(())
        })
    }

    #[test]
    fn an_epoch_that_is_left_ends_its_thread() -> Result<()> {
        let numeric = Numeric::Dense(DenseRows { width: 1, values: vec![0.0; 4 * ROWS] });
        let table = Table::new(numeric, vec![0.0; 4 * ROWS], vec![1.0; 4 * ROWS], 1)?;
        let steps = Steps { size: ROWS, shards: 1, own: 0..1 };
        std::thread::scope(|scope| {
            let order = Order::cut((0..4 * ROWS as u32).collect(), ROWS);
            let rows = Rows::Table(&table);
            let epoch = move || Batches::of(rows, order, false);
            let mut batches = ahead(scope, steps, &Device::Cpu, epoch, || ());
            assert!(batches.step()?.is_some());
            Ok(())
        })
    }
}
