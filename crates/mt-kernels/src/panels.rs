//! Panels: runs of output columns whose sums stay in vector registers.
#![allow(unsafe_code)]
#![allow(
    clippy::manual_memcpy,
    reason = "`copy_from_slice` leaves the registers: a sixth of the training rate"
)]

use pulp::{MemMask, Simd};

/// Columns `at..at + width` of a row-major matrix with rows of `stride`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Columns {
    pub at: usize,
    pub width: usize,
    pub stride: usize,
}

/// `V` whole vectors, and one that is filled only in part if `TAIL`.
#[derive(Clone, Copy)]
pub struct Panel<S: Simd, const V: usize, const TAIL: bool> {
    pub vectors: [S::f32s; V],
    pub tail: S::f32s,
}

/// The lanes that the last vector of a row fills.
#[derive(Clone, Copy)]
pub struct Tail<S: Simd> {
    mask: MemMask<S::m32s>,
    lanes: usize,
}

impl<S: Simd> Tail<S> {
    /// For rows of `width` columns.
    #[inline(always)]
    pub fn of(simd: S, width: usize) -> Self {
        let lanes = width % S::F32_LANES;
        // Taken out and put back: as it comes, the mask carries a table's entry and each load becomes an indirect call.
        Self { mask: MemMask::new(simd.mask_between_m32s(0, lanes as u32).mask()), lanes }
    }

    #[inline(always)]
    fn load(self, simd: S, from: &[f32]) -> S::f32s {
        assert!(self.lanes <= from.len(), "a row is as long as its width");
        // SAFETY: the mask selects the first `lanes` elements, which the slice has.
        unsafe { simd.mask_load_ptr_f32s(self.mask, from.as_ptr()) }
    }

    #[inline(always)]
    fn store(self, simd: S, values: S::f32s, to: &mut [f32]) {
        assert!(self.lanes <= to.len(), "a row is as long as its width");
        // SAFETY: as for `load`.
        unsafe { simd.mask_store_ptr_f32s(self.mask, to.as_mut_ptr(), values) };
    }
}

impl<S: Simd, const V: usize, const TAIL: bool> Panel<S, V, TAIL> {
    #[inline(always)]
    pub fn zero(simd: S) -> Self {
        let zero = simd.splat_f32s(0.0);
        Self { vectors: [zero; V], tail: zero }
    }

    #[inline(always)]
    pub fn load(simd: S, tail: Tail<S>, from: &[f32]) -> Self {
        let mut panel = Self::zero(simd);
        let whole = S::as_simd_f32s(&from[..V * S::F32_LANES]).0;
        for v in 0..V {
            panel.vectors[v] = whole[v];
        }
        if TAIL {
            panel.tail = tail.load(simd, &from[V * S::F32_LANES..]);
        }
        panel
    }

    #[inline(always)]
    pub fn store(self, simd: S, tail: Tail<S>, to: &mut [f32]) {
        let (whole, rest) = to.split_at_mut(V * S::F32_LANES);
        let whole = S::as_mut_simd_f32s(whole).0;
        for v in 0..V {
            whole[v] = self.vectors[v];
        }
        if TAIL {
            tail.store(simd, self.tail, rest);
        }
    }

    /// `self + factor · other`.
    #[inline(always)]
    pub fn add_scaled(mut self, simd: S, factor: S::f32s, other: Self) -> Self {
        for v in 0..V {
            self.vectors[v] = simd.mul_add_e_f32s(factor, other.vectors[v], self.vectors[v]);
        }
        if TAIL {
            self.tail = simd.mul_add_e_f32s(factor, other.tail, self.tail);
        }
        self
    }

    #[inline(always)]
    pub fn dot(self, simd: S, other: Self) -> f32 {
        let mut sum = simd.splat_f32s(0.0);
        for v in 0..V {
            sum = simd.mul_add_e_f32s(self.vectors[v], other.vectors[v], sum);
        }
        if TAIL {
            sum = simd.mul_add_e_f32s(self.tail, other.tail, sum);
        }
        simd.reduce_sum_f32s(sum)
    }

    #[inline(always)]
    pub fn add(mut self, simd: S, other: Self) -> Self {
        for v in 0..V {
            self.vectors[v] = simd.add_f32s(self.vectors[v], other.vectors[v]);
        }
        if TAIL {
            self.tail = simd.add_f32s(self.tail, other.tail);
        }
        self
    }
}

/// Calls `$panel::<S, V, TAIL>(…, first)`, or `$panel::<S, R, V, TAIL>` where it is written `panel[R](…)`, for panels that cover `width` columns: as many as fit of `$most` vectors,
/// then one with the rest. A narrow panel takes as long as a wide one, since each waits for its own sums.
macro_rules! by_panels {
    ($most:tt, $width:expr, $panel:ident$([$rows:expr])?($($arg:expr),* $(,)?)) => {{
        let lanes = S::F32_LANES;
        let (mut whole, mut first) = ($width / lanes, 0);
        while whole >= $most {
            $panel::<S, $({ $rows },)? $most, false>($($arg,)* first);
            whole -= $most;
            first += $most * lanes;
        }
        by_panels!(@rest $most, whole, $width % lanes > 0, $panel$([$rows])?($($arg,)* first))
    }};
    (@rest 2, $whole:expr, $tail:expr, $panel:ident$([$rows:expr])?($($arg:expr),*)) => {
        match ($whole, $tail) {
            (0, true) => $panel::<S, $({ $rows },)? 0, true>($($arg),*),
            (1, true) => $panel::<S, $({ $rows },)? 1, true>($($arg),*),
            (1, false) => $panel::<S, $({ $rows },)? 1, false>($($arg),*),
            _ => {}
        }
    };
    (@rest 8, $whole:expr, $tail:expr, $panel:ident$([$rows:expr])?($($arg:expr),*)) => {
        match ($whole, $tail) {
            (0, true) => $panel::<S, $({ $rows },)? 0, true>($($arg),*),
            (1, true) => $panel::<S, $({ $rows },)? 1, true>($($arg),*),
            (2, true) => $panel::<S, $({ $rows },)? 2, true>($($arg),*),
            (3, true) => $panel::<S, $({ $rows },)? 3, true>($($arg),*),
            (4, true) => $panel::<S, $({ $rows },)? 4, true>($($arg),*),
            (5, true) => $panel::<S, $({ $rows },)? 5, true>($($arg),*),
            (6, true) => $panel::<S, $({ $rows },)? 6, true>($($arg),*),
            (7, true) => $panel::<S, $({ $rows },)? 7, true>($($arg),*),
            (1, false) => $panel::<S, $({ $rows },)? 1, false>($($arg),*),
            (2, false) => $panel::<S, $({ $rows },)? 2, false>($($arg),*),
            (3, false) => $panel::<S, $({ $rows },)? 3, false>($($arg),*),
            (4, false) => $panel::<S, $({ $rows },)? 4, false>($($arg),*),
            (5, false) => $panel::<S, $({ $rows },)? 5, false>($($arg),*),
            (6, false) => $panel::<S, $({ $rows },)? 6, false>($($arg),*),
            (7, false) => $panel::<S, $({ $rows },)? 7, false>($($arg),*),
            _ => {}
        }
    };
}

pub(super) use by_panels;
