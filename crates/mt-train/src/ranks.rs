//! What the first of several ranks decides and looks at.

use candle_core::{Device, Tensor};
use mt_data::Dataset;
use mt_dist::{Collective, Message, Reader, agree};
use mt_layers::Norm;

use crate::config::Config;
use crate::error::{Error, Result};
use crate::running::Step;

/// What the first rank says, where each would say something else, as by the clock.
pub(crate) fn decide(ranks: &dyn Collective, own: bool) -> Result<bool> {
    let mut decision = vec![u8::from(own)];
    ranks.broadcast(0, &mut decision)?;
    Ok(decision == [1])
}

impl Config {
    /// Whether so many processes can share this training, on this device.
    ///
    /// # Errors
    /// [`Error::TooManyRanks`] for more than there are shards of a step, and [`Error::Config`] for what one process alone can do.
    pub fn check_ranks(&self, ranks: usize, device: &Device) -> Result<()> {
        let (shards, refuse) = (self.train.shards, |at: &str, problem: &str| {
            Err(Error::Config { at: at.to_owned(), problem: problem.to_owned() })
        });
        if ranks == 1 {
            return Ok(());
        }
        if ranks > shards {
            return Err(Error::TooManyRanks { ranks, shards });
        }
        if !device.is_cpu() {
            return refuse("--device", "several processes train on the CPU; on a card one does");
        }
        if self.model.norm == Norm::Batch {
            let problem =
                "running statistics of batch are those of one process; expected layer or none among several";
            return refuse("configuration: model.norm", problem);
        }
        Ok(())
    }
}

/// Fails, on all ranks alike, unless they are programs of one kind with the same configuration and rows.
pub(crate) fn check_alike(
    ranks: &dyn Collective,
    cfg: &Config,
    data: &Dataset,
    device: &Device,
) -> Result<()> {
    cfg.check_ranks(ranks.size(), device)?;
    if ranks.size() == 1 {
        return Ok(());
    }
    agree(ranks, "version of mt", env!("CARGO_PKG_VERSION").as_bytes())?;
    agree(ranks, "instruction set", mt_kernels::simd::instructions().as_bytes())?;
    agree(ranks, "configuration", cfg.to_yaml()?.as_bytes())?;
    let rows =
        serde_json::to_vec(&data.identity).map_err(|error| candle_core::Error::Msg(error.to_string()))?;
    Ok(agree(ranks, "data", &rows)?)
}

/// Gives the first rank the rows of some steps of all ranks, in their order, and others none.
pub(crate) fn to_first(ranks: &dyn Collective, steps: Vec<Step>) -> Result<Vec<Step>> {
    if ranks.size() == 1 {
        return Ok(steps);
    }
    let mut message = Message::default();
    for Step { logits, labels, mask, .. } in &steps {
        let (rows, columns) = logits.as_ref().map_or(Ok((0, 0)), Tensor::dims2)?;
        message.put(&[rows as u32, columns as u32, labels.len() as u32]);
        if let Some(logits) = logits {
            message.put_floats(&logits.flatten_all()?.to_vec1::<f32>()?);
        }
        message.put_floats(labels);
        message.put_floats(mask);
    }
    let mut messages = vec![Vec::new(); ranks.size()];
    messages[0] = message.into_bytes();
    ranks.exchange_in_place(&mut messages)?;
    if ranks.rank() > 0 {
        return Ok(Vec::new());
    }
    let mut readers: Vec<Reader> = messages.iter().map(|message| Reader::new(message)).collect();
    let whole = |step: Step| {
        let (mut logits, mut width, mut labels, mut mask) = (Vec::new(), 1, Vec::new(), Vec::new());
        for reader in &mut readers {
            let (rows, columns, count) = (reader.word()?, reader.word()?, reader.word()?);
            width = width.max(columns);
            logits.extend(reader.floats(rows * columns)?);
            labels.extend(reader.floats(count)?);
            mask.extend(reader.floats(count)?);
        }
        let shape = (logits.len() / width, width);
        let logits = Some(Tensor::from_vec(logits, shape, &Device::Cpu)?);
        Ok(Step { logits, labels, mask, ..step })
    };
    steps.into_iter().map(whole).collect()
}
