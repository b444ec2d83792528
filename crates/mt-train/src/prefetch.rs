//! Batches made ready by a thread of their own while the step before them runs.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::Scope;
use std::time::{Duration, Instant};

use candle_core::Device;
use mt_features::{Batch, Table};
use mt_models::Features;

use crate::error::Result;
use crate::labelled::Labelled;
use crate::order::Order;

/// A batch as the training step takes it.
type Ready = (Features, Labelled);

/// Rows handed over at once: waking the other thread for every small batch would cost a tenth of its step.
const ROWS: usize = 4096;

/// Hand-overs that may lie ready; enough to ride out the other thread's pauses.
const DEPTH: usize = 2;

/// The batches of an epoch, in order.
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
    /// The next batches, at most so many; `None` after the last.
    pub fn step(&mut self, batches: usize) -> Result<Option<(Vec<Features>, Vec<Labelled>)>> {
        let (mut xs, mut labelled) = (Vec::with_capacity(batches), Vec::with_capacity(batches));
        while xs.len() < batches
            && let Some(ready) = self.next()?
        {
            xs.push(ready.0);
            labelled.push(ready.1);
        }
        Ok((!xs.is_empty()).then_some((xs, labelled)))
    }

    fn next(&mut self) -> Result<Option<Ready>> {
        loop {
            if let Some(ready) = self.group.next() {
                return Ok(Some(ready));
            }
            // A step of many batches may have taken all that were ordered.
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

/// All batches of a table, with the groups of their rows where these are given, that `epoch` draws up, on `device`; they have about
/// `size` rows. The thread ends with the epoch, or when the iterator is dropped.
pub(crate) fn ahead<'scope, 'env: 'scope>(
    scope: &'scope Scope<'scope, 'env>,
    (table, of_rows): (&'env Table, Option<&'env [u32]>),
    size: usize,
    device: &Device,
    epoch: impl FnOnce() -> Order + Send + 'scope,
) -> Ahead {
    let ((sender, groups), (orders, asked)) = (channel(), channel());
    let device = device.clone();
    scope.spawn(move || {
        let epoch = epoch();
        let batches: Vec<&[u32]> = epoch.batches().collect();
        for group in batches.chunks((ROWS / size).max(1)) {
            // There are no more orders when the epoch is left.
            if asked.recv().is_err() {
                break;
            }
            let ready: Result<Vec<Ready>> =
                group.iter().map(|rows| ready(table.gather(rows), rows, of_rows, &device)).collect();
            let ready = ready.and_then(|ready| arrived(&device).map(|()| ready));
            let failed = ready.is_err();
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

fn ready(mut batch: Batch, rows: &[u32], groups: Option<&[u32]>, device: &Device) -> Result<Ready> {
    let labelled = Labelled::take(&mut batch, rows, groups);
    Ok((Features::of(batch)?.to_device(device)?, labelled))
}

#[cfg(test)]
mod tests {

    use super::*;
    use mt_features::{DenseRows, Numeric};

    #[test]
    fn a_step_may_take_more_than_lies_ready() -> Result<()> {
        let count = 5 * ROWS + 7;
        let numeric = Numeric::Dense(DenseRows { width: 1, values: vec![0.0; count] });
        let labels = (0..count).map(|row| row as f32).collect();
        let table = Table::new(numeric, labels, vec![1.0; count], 1)?;
        let rows: Vec<u32> = (0..count as u32).rev().collect();
        std::thread::scope(|scope| {
            for (size, at_once) in [(ROWS, 4), (1000, 30), (ROWS, 1)] {
                let rows = rows.clone();
                let epoch = move || Order::cut(rows, size);
                let mut batches = ahead(scope, (&table, None), size, &Device::Cpu, epoch);
                let mut labels = Vec::new();
                while let Some((xs, labelled)) = batches.step(at_once)? {
                    assert_eq!(xs.len(), labelled.len());
                    labels.extend(labelled.into_iter().flat_map(|batch| batch.labels));
                    // It is only a hint: without it, the next batches come later.
                    if at_once > 1 {
                        batches.go_on();
                    }
                }
                assert!(labels.iter().rev().enumerate().all(|(row, label)| *label == row as f32));
                assert_eq!(labels.len(), count);
            }
            Ok(())
        })
    }

    #[test]
    fn an_epoch_that_is_left_ends_its_thread() -> Result<()> {
        let numeric = Numeric::Dense(DenseRows { width: 1, values: vec![0.0; 4 * ROWS] });
        let table = Table::new(numeric, vec![0.0; 4 * ROWS], vec![1.0; 4 * ROWS], 1)?;
        std::thread::scope(|scope| {
            let mut batches = ahead(scope, (&table, None), ROWS, &Device::Cpu, || {
                Order::cut((0..4 * ROWS as u32).collect(), ROWS)
            });
            assert!(batches.step(1)?.is_some());
            Ok(())
        })
    }
}
