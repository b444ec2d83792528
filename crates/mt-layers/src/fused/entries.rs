//! The two inner loops of an affine map over the non-zero entries of a row.
//!
//! Output columns are taken in panels of at most 64 whose sums stay in registers while the row's entries pass by;
//! each entry loads one short contiguous piece of its weight row.

/// `(column, value)` pairs of one row. Read by index: a closure handed to an iterator may be compiled apart from the
/// kernel, without its instruction set, and then each multiply-add becomes a call.
pub(super) trait Entries: Copy {
    fn len(self) -> usize;
    fn get(self, i: usize) -> (usize, f32);
}

/// The entries of a sparse row, with `.2` taken off each column.
#[derive(Clone, Copy)]
pub(super) struct Sparse<'a>(pub &'a [u32], pub &'a [f32], pub usize);

impl Entries for Sparse<'_> {
    #[inline(always)]
    fn len(self) -> usize {
        self.0.len().min(self.1.len())
    }

    #[inline(always)]
    fn get(self, i: usize) -> (usize, f32) {
        (self.0[i] as usize - self.2, self.1[i])
    }
}

/// A dense row: every column is an entry.
#[derive(Clone, Copy)]
pub(super) struct Dense<'a>(pub &'a [f32]);

impl Entries for Dense<'_> {
    #[inline(always)]
    fn len(self) -> usize {
        self.0.len()
    }

    #[inline(always)]
    fn get(self, i: usize) -> (usize, f32) {
        (i, self.0[i])
    }
}

/// Columns `at..at + width` of a row-major matrix with rows of `stride`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Columns {
    pub at: usize,
    pub width: usize,
    pub stride: usize,
}

macro_rules! by_panels {
    ($width:expr, $panel:ident($($arg:expr),*)) => {{
        let mut done = 0;
        while done < $width {
            match $width - done {
                64.. => { $panel::<64, _>($($arg,)* done); done += 64; }
                32..64 => { $panel::<32, _>($($arg,)* done); done += 32; }
                16..32 => { $panel::<16, _>($($arg,)* done); done += 16; }
                8..16 => { $panel::<8, _>($($arg,)* done); done += 8; }
                4..8 => { $panel::<4, _>($($arg,)* done); done += 4; }
                _ => { $panel::<1, _>($($arg,)* done); done += 1; }
            }
        }
    }};
}

/// `out = bias + Σ value · weight[column]`.
#[inline(always)]
pub(super) fn forward<E: Entries>(
    entries: E,
    weight: &[f32],
    columns: Columns,
    bias: &[f32],
    out: &mut [f32],
) {
    by_panels!(columns.width, forward_panel(entries, weight, columns, bias, out));
}

#[inline(always)]
fn forward_panel<const N: usize, E: Entries>(
    entries: E,
    weight: &[f32],
    columns: Columns,
    bias: &[f32],
    out: &mut [f32],
    done: usize,
) {
    let mut sums = [0f32; N];
    sums.copy_from_slice(&bias[done..done + N]);
    for e in 0..entries.len() {
        let (column, value) = entries.get(e);
        let start = column * columns.stride + columns.at + done;
        let weights = &weight[start..start + N];
        for i in 0..N {
            sums[i] = value.mul_add(weights[i], sums[i]);
        }
    }
    out[done..done + N].copy_from_slice(&sums);
}

/// `gradient[column] += value · delta`, the transpose of [`forward`].
#[inline(always)]
pub(super) fn backward<E: Entries>(entries: E, delta: &[f32], columns: Columns, gradient: &mut [f32]) {
    by_panels!(columns.width, backward_panel(entries, delta, columns, gradient));
}

#[inline(always)]
fn backward_panel<const N: usize, E: Entries>(
    entries: E,
    delta: &[f32],
    columns: Columns,
    gradient: &mut [f32],
    done: usize,
) {
    let mut panel = [0f32; N];
    panel.copy_from_slice(&delta[done..done + N]);
    for e in 0..entries.len() {
        let (column, value) = entries.get(e);
        let start = column * columns.stride + columns.at + done;
        let sums = &mut gradient[start..start + N];
        for i in 0..N {
            sums[i] = value.mul_add(panel[i], sums[i]);
        }
    }
}
