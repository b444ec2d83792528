//! Lists that are read value by value: of which columns, by what.

use mt_features::{Field, Keep, Pooling};
use mt_layers::{AttentionKind, Newest, SelfAttention, Side};

use crate::config::{ModelConfig, error};
use crate::error::Result;

/// A list that is read value by value, with those beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SequenceInput {
    /// The name of its first field.
    pub name: String,
    /// What it and those beside it fill, of what.
    pub sides: Vec<Side>,
    /// What reads it.
    pub kind: AttentionKind,
}

impl ModelConfig {
    /// The list of `field`, and of the fields beside it, that these columns are of.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) if there are columns that cannot be divided among heads.
    pub(crate) fn sequence(&self, field: &Field, sides: Vec<Side>) -> Result<SequenceInput> {
        let kind = match &field.list {
            Some(list) if matches!(list.pooling, Pooling::SelfAttention(_)) => {
                let cfg = self.self_attention.clone().unwrap_or_default();
                let width: usize = sides.iter().map(|side| side.width).sum();
                if width == 1 {
                    let problem = format!(
                        "expected at least 2 columns of {:?} and the lists beside it: self-attention normalises them, and one is \
                         always the same then",
                        field.name
                    );
                    return Err(error("embedding.width", problem));
                }
                if !width.is_multiple_of(cfg.heads) {
                    let fit: Vec<_> =
                        (1..=width).filter(|n| width.is_multiple_of(*n)).map(|n| n.to_string()).collect();
                    let problem = format!(
                        "expected a number that divides the {width} columns of {:?} and the lists beside it, one of: {}; found {}",
                        field.name,
                        fit.join(", "),
                        cfg.heads
                    );
                    return Err(error("self_attention.heads", problem));
                }
                AttentionKind::SelfAttention(SelfAttention {
                    heads: cfg.heads,
                    hidden: cfg.hidden,
                    longest: list.keep.map_or(0, Keep::most),
                    newest: if let Some(Keep::First(_)) = list.keep { Newest::First } else { Newest::Last },
                })
            }
            _ => AttentionKind::Activation { hidden: self.attention.clone().unwrap_or_default().hidden },
        };
        Ok(SequenceInput { name: field.name.clone(), sides, kind })
    }

    /// Refuses sizes of what reads none of these lists.
    pub(crate) fn check_sequences(&self, sequences: &[SequenceInput]) -> Result<()> {
        let of_activation = |list: &&SequenceInput| matches!(list.kind, AttentionKind::Activation { .. });
        let activation = sequences.iter().filter(of_activation).count();
        let unread = |key, pooling| {
            Err(error(key, format!("no field of the data is pooled with {pooling} (data.fields)")))
        };
        match () {
            () if self.attention.is_some() && activation == 0 => unread("attention", "attention"),
            () if self.self_attention.is_some() && activation == sequences.len() => {
                unread("self_attention", "self_attention")
            }
            () => Ok(()),
        }
    }
}
