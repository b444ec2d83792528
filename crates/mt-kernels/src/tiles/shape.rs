//! Sizes of what the tile unit reads.

/// Values in a row or column of a tile of sums.
pub const EDGE: usize = 16;
/// Parts of a value, each in bfloat16.
pub const PARTS: usize = 3;
/// Words of a tile, two parts of values a word: [`EDGE`] words for each of [`EDGE`] rows.
pub const TILE: usize = EDGE * EDGE;
/// Values that are summed up by one product of tiles.
pub const DEPTH: usize = 2 * EDGE;

/// Two times 16 rows or columns of a factor in parts.
pub type Halves<'a> = (&'a [u32], &'a [u32]);
