//! One level of experts and the gates that mix them.

use std::ops::Range;
use std::sync::Mutex;

use candle_core::{Result, Tensor, bail};

use crate::bank::{Bank, apply, forward_side_by_side, layers, stack};
use crate::columns::Read;
use crate::detour::Why;
use crate::fused::gated::Gated;
use crate::input::Input;
use crate::mixture::Mixture;
use crate::run::Run;

/// Expert banks, gates, and a mixture of the experts for each gate.
#[derive(Debug, Clone)]
pub struct GatedExperts {
    experts: Vec<(Bank, Range<usize>)>,
    gates: Vec<(Bank, Read)>,
    mixture: Mixture,
    shared: Range<usize>,
}

impl GatedExperts {
    /// Banks with the input columns that each reads. The experts' outputs lie side by side, as do the gates' logits,
    /// and `mixture` says which experts a gate chooses from. All tasks share the experts `shared`. A level in which a gate
    /// reads gathered columns ([`Read::Columns`]) is several operations.
    ///
    /// # Errors
    /// If experts differ in their widths, banks in their depths, or the mixture does not fit them.
    pub fn new(
        experts: Vec<(Bank, Range<usize>)>,
        gates: Vec<(Bank, impl Into<Read>)>,
        mixture: Mixture,
        shared: Range<usize>,
    ) -> Result<Self> {
        let gates: Vec<(Bank, Read)> = gates.into_iter().map(|(bank, read)| (bank, read.into())).collect();
        let width = mixture.0.width;
        if experts.iter().any(|(bank, _)| bank.outputs() != width) {
            bail!("experts of another width than the mixture's {width}")
        }
        let columns: usize = experts.iter().map(|(bank, _)| bank.len() * width).sum();
        mixture.check(columns, gates.iter().map(|(bank, _)| bank.outputs()).sum())?;
        let this = Self { experts, gates, mixture, shared: shared.start * width..shared.end * width };
        layers(&reads(&this.experts))?;
        layers(&in_place(&this.gates))?;
        Ok(this)
    }

    /// Units of an expert, and columns of a stream.
    pub fn width(&self) -> usize {
        self.mixture.0.width
    }

    /// A stream for each gate: `(B, D)` to `(B, G·H)`. What the tasks share is [tapped](Run::tap) between experts and gates.
    pub fn forward(&self, xs: &Input, run: &mut Run) -> Result<Tensor> {
        if run.cuts() {
            run.left(self.anchor(), Why::Cut);
            let (experts, logits) = self.parts(xs, run)?;
            let (experts, logits) = (run.tap(experts, self.shared.clone())?, run.tap(logits, 0..0)?);
            return self.mixture.forward(&experts, &logits, run);
        }
        self.below(xs, run)
    }

    /// The same without a tap: for a level below others.
    pub fn below(&self, xs: &Input, run: &mut Run) -> Result<Tensor> {
        let gathered = self.gates.iter().any(apart).then_some(Why::Columns);
        if let Some(why) = run.looks_at_mixtures().or(gathered) {
            run.left(self.anchor(), why);
        } else {
            let (experts, gates) = (layers(&reads(&self.experts))?, layers(&in_place(&self.gates))?);
            if let (Some(bank), Some(gate)) = (stack(&experts, xs, run)?, stack(&gates, xs, run)?) {
                let mixture = self.mixture.0.clone();
                let gated = Gated { experts: bank, gates: gate, mixture, kept: Mutex::default() };
                return apply(gated, xs, &experts, run);
            }
        }
        let (experts, logits) = self.parts(xs, run)?;
        self.mixture.forward(&experts, &logits, run)
    }

    /// The parameter by which the level is known.
    fn anchor(&self) -> &Tensor {
        self.experts[0].0.anchor()
    }

    /// The outputs `(B, E·H)` of all experts and the logits of all gates.
    fn parts(&self, xs: &Input, run: &mut Run) -> Result<(Tensor, Tensor)> {
        Ok((forward_side_by_side(&reads(&self.experts), xs, run)?, self.logits(xs, run)?))
    }

    /// The gates' logits `(B, Σ choices)`. Gates that follow one another and read the input as it is are one operation.
    fn logits(&self, xs: &Input, run: &mut Run) -> Result<Tensor> {
        let of = |gates: &[(Bank, Read)]| match gates {
            [(bank, Read::Columns(columns))] => bank.forward(&columns.of(xs)?, run),
            gates => forward_side_by_side(&in_place(gates), xs, run),
        };
        let together = self.gates.chunk_by(|a, b| !apart(a) && !apart(b));
        Tensor::cat(&together.map(of).collect::<Result<Vec<_>>>()?, 1)
    }
}

/// Whether a gate reads columns that have to be gathered.
fn apart((_, read): &(Bank, Read)) -> bool {
    matches!(read, Read::Columns(_))
}

/// Gates with the columns that each reads of the input, or of what is gathered for it.
fn in_place(gates: &[(Bank, Read)]) -> Vec<(&Bank, Range<usize>)> {
    let range = |read: &Read| match read {
        Read::Range(range) => range.clone(),
        Read::Columns(columns) => 0..columns.len(),
    };
    gates.iter().map(|(bank, read)| (bank, range(read))).collect()
}

fn reads(banks: &[(Bank, Range<usize>)]) -> Vec<(&Bank, Range<usize>)> {
    banks.iter().map(|(bank, read)| (bank, read.clone())).collect()
}
