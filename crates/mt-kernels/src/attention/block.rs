//! A block of self-attention: its sizes, and its parameters as they are read.

/// Sizes of a block of self-attention over a list and its candidate: Q. Chen et al., *Behavior Sequence Transformer for E-commerce
/// Recommendation in Alibaba*, DLP-KDD 2019.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SelfAttention {
    /// Heads `A`, each of `D = S / A` of the columns.
    pub heads: usize,
    /// Hidden units `F` of the feed-forward layers.
    pub hidden: usize,
    /// Values `L` that a list has at most: so many positions there are beside that of the candidate.
    pub longest: usize,
    /// Which end of a list is next to the candidate.
    pub newest: Newest,
}

/// Which of a list's values is next to the candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Newest {
    /// The first one.
    First,
    /// The last one.
    Last,
}

impl SelfAttention {
    /// Whether a block has these sizes over so many columns.
    pub fn fit(&self, width: usize) -> bool {
        let Self { heads, hidden, longest, .. } = *self;
        width > 1 && hidden > 0 && longest > 0 && heads > 0 && width.is_multiple_of(heads)
    }

    /// How far value `j` of a list of `count` is from the candidate, from 1 on.
    #[inline(always)]
    pub fn position(&self, j: usize, count: usize) -> usize {
        match self.newest {
            Newest::First => j + 1,
            Newest::Last => count - j,
        }
    }
}

/// Parameters of a block, in the order of [`crate::self_attention`].
pub(super) const PARAMETERS: usize = 13;

/// What does not change from list to list. Matrices are head by head, `(S, D)` of each, or turned, `(D, S)`.
pub struct Block<'a> {
    pub(super) sizes: &'a SelfAttention,
    /// Columns `S`, and those of a head, `D`.
    pub(super) width: usize,
    pub(super) depth: usize,
    /// As they come.
    pub(super) parameters: [&'a [f32]; PARAMETERS],
    pub(super) query: Vec<f32>,
    pub(super) query_turned: Vec<f32>,
    pub(super) key: Vec<f32>,
    pub(super) key_turned: Vec<f32>,
    pub(super) value: Vec<f32>,
    pub(super) value_turned: Vec<f32>,
    /// `W_O` turned; as it comes it is `(D, S)` of each head.
    pub(super) output_turned: Vec<f32>,
    pub(super) first_turned: Vec<f32>,
    pub(super) second_turned: Vec<f32>,
}

/// So many rows of blocks of `size` values as the rows of their columns.
pub(super) fn turn(blocks: &[f32], rows: usize, size: usize) -> Vec<f32> {
    let columns = blocks.len() / rows / size;
    let column = |c: usize| (0..rows).flat_map(move |r| &blocks[(r * columns + c) * size..][..size]);
    (0..columns).flat_map(column).copied().collect()
}

impl<'a> Block<'a> {
    /// Over values of so many columns `S`, with parameters in the order in which they are made.
    ///
    /// # Panics
    /// If there are less parameters, or `sizes` do not [fit](SelfAttention::fit).
    pub fn new(width: usize, sizes: &'a SelfAttention, parameters: &[&'a [f32]]) -> Self {
        let parameters: [&[f32]; PARAMETERS] = std::array::from_fn(|i| parameters[i]);
        let depth = width / sizes.heads;
        let [query, key, value, output, _, _, _, first, _, second, ..] = parameters;
        let by_head = |matrix: &[f32]| turn(matrix, width, depth);
        Self {
            sizes,
            width,
            depth,
            parameters,
            query: by_head(query),
            query_turned: turn(query, width, 1),
            key: by_head(key),
            key_turned: turn(key, width, 1),
            value: by_head(value),
            value_turned: turn(value, width, 1),
            output_turned: by_head(&turn(output, width, 1)),
            first_turned: turn(first, width, 1),
            second_turned: turn(second, sizes.hidden, 1),
        }
    }
}
