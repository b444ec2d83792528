//! Batches made ready by a thread of their own while the step before them runs.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::Scope;
use std::time::{Duration, Instant};

use candle_core::Device;
use mt_data::{Batch, Batches, Table};
use mt_models::Features;

use crate::accumulate::Labelled;
use crate::error::Result;

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
    /// Asks for one more group.
    orders: Sender<()>,
    /// Groups taken since the last were asked for.
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

    /// Lets the other thread make the next batches: while what follows leaves a processor idle. Otherwise it takes one
    /// from the passes of a large batch, which then run on this thread alone.
    pub fn go_on(&mut self) {
        for _ in 0..std::mem::take(&mut self.taken) {
            // It is gone after the last batch.
            let _ = self.orders.send(());
        }
    }
}

/// All batches of `size` rows of an epoch, on `device`, in the order that `order` draws up. The thread ends with the epoch, or when
/// the iterator is dropped.
pub(crate) fn ahead<'scope, 'env: 'scope>(
    scope: &'scope Scope<'scope, 'env>,
    table: &'env Table,
    size: usize,
    device: &Device,
    order: impl FnOnce() -> Vec<u32> + Send + 'scope,
) -> Ahead {
    let ((sender, groups), (orders, asked)) = (channel(), channel());
    let device = device.clone();
    scope.spawn(move || {
        // The channel is closed where the epoch was left.
        for rows in order().chunks((ROWS / size).max(1) * size) {
            if asked.recv().is_err() {
                break;
            }
            let ready: Result<Vec<Ready>> =
                Batches::new(table, rows, size).map(|batch| ready(batch, &device)).collect();
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

fn ready(batch: Batch, device: &Device) -> Result<Ready> {
    let (rows, Batch { numeric, fields, labels, mask, .. }) = (batch.rows(), batch);
    Ok((Features::new(numeric, fields)?.to_device(device)?, Labelled { rows, labels, mask }))
}
