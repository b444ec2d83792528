//! The tile unit itself: eight registers of 16 rows x 64 bytes, and the product of two of them added to a third.
#![allow(unsafe_code)]

use std::arch::asm;
use std::arch::x86_64::__cpuid_count;
use std::marker::PhantomData;
use std::sync::OnceLock;

use super::shape::{EDGE, Halves, PARTS, TILE};

/// The right to use the unit, of every thread.
#[derive(Debug, Clone, Copy)]
pub struct Tiles(());

impl Tiles {
    /// `None` where the processor has no unit with bfloat16, or the system does not let this process use it.
    pub fn get() -> Option<Self> {
        static TILES: OnceLock<Option<Tiles>> = OnceLock::new();
        *TILES.get_or_init(|| {
            let features = __cpuid_count(7, 0).edx;
            let (bfloat16, tiles) = (features >> 22 & 1 == 1, features >> 24 & 1 == 1);
            (is_x86_feature_detected!("avx512f") && bfloat16 && tiles && permitted()).then_some(Self(()))
        })
    }

    /// Takes the unit for this thread, which must not hold it.
    pub fn hold(self) -> Unit {
        let mut shapes =
            Shapes { palette: 1, start_row: 0, reserved: [0; 14], row_bytes: [0; 16], rows: [0; 16] };
        shapes.row_bytes[..8].fill(4 * EDGE as u16);
        shapes.rows[..8].fill(EDGE as u8);
        // SAFETY: the unit is there and permitted; the operand is 64 bytes that describe eight full tiles.
        unsafe { asm!("ldtilecfg [{}]", in(reg) &raw const shapes, options(nostack, readonly)) };
        Unit(PhantomData)
    }
}

/// Asks Linux for the unit, once for all threads; systems that do not know the request refuse it.
fn permitted() -> bool {
    /// `ARCH_REQ_XCOMP_PERM` of `asm/prctl.h`.
    const REQUEST: libc::c_long = 0x1023;
    /// Number of the registers' state.
    const TILE_DATA: libc::c_long = 18;
    // SAFETY: the request takes two integers and gives the process a right.
    unsafe { libc::syscall(libc::SYS_arch_prctl, REQUEST, TILE_DATA) == 0 }
}

/// The unit as this thread holds it. Given back when dropped, so that the system need not save its registers.
pub struct Unit(PhantomData<*const ()>);

/// Operand of `ldtilecfg`.
#[repr(C, align(64))]
struct Shapes {
    palette: u8,
    start_row: u8,
    reserved: [u8; 14],
    row_bytes: [u16; 16],
    rows: [u8; 16],
}

impl Drop for Unit {
    fn drop(&mut self) {
        // SAFETY: whoever holds a `Unit` may use the unit.
        unsafe { asm!("tilerelease", options(nostack, nomem)) };
    }
}

/// Loads part `part` of the tiles at `from`.
macro_rules! load {
    ($tile:literal, $from:literal, $part:literal) => {
        concat!("tileloadd tmm", $tile, ", [{", $from, "} + {line} + 1024*", $part, "]")
    };
}

/// As [`load!`], and fetches what the next step of the loop will read there, line by line: beside another thread on the
/// same core, products take three quarters of the time then.
macro_rules! load_and_fetch {
    ($tile:literal, $from:literal, $part:literal) => {
        concat!(load!($tile, $from, $part), fetch!($from, $part, 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15))
    };
}

macro_rules! fetch {
    ($from:literal, $part:literal, $($line:literal)*) => {
        concat!($("\nprefetcht0 [{", $from, "} + 3072 + 1024*", $part, " + 64*", $line, "]"),*)
    };
}

/// Adds the products of the left tiles in registers 4 and 5 with the right ones in 6 and 7 to the sums.
macro_rules! multiply {
    () => {
        "tdpbf16ps tmm0, tmm4, tmm6\ntdpbf16ps tmm1, tmm4, tmm7\n\
         tdpbf16ps tmm2, tmm5, tmm6\ntdpbf16ps tmm3, tmm5, tmm7"
    };
}

impl Unit {
    /// 32 x 32 sums of a product, in rows of `stride` values of `out`: `left`, tiles of 16 rows above each other, times
    /// `right`, tiles of 16 columns side by side. All four have [`PARTS`] parts for each step of the inner size. With `add`
    /// they are added to what is there.
    ///
    /// # Panics
    /// If a slice is too short or the four differ in length.
    pub fn multiply(&self, left: Halves, right: Halves, out: &mut [f32], stride: usize, add: bool) {
        let steps = left.0.len() / (PARTS * TILE);
        assert!(steps > 0 && stride >= 2 * EDGE && out.len() >= (2 * EDGE - 1) * stride + 2 * EDGE);
        for tiles in [left.0, left.1, right.0, right.1] {
            assert_eq!(tiles.len(), steps * PARTS * TILE, "tiles of a product");
        }
        // SAFETY: holding the `Unit`, the thread may use it, and its tiles have 16 rows of 64 bytes. The loop reads 3 KB
        // of each operand a step, which the asserts keep in the slices; a fetch beyond them never faults. Sums are
        // read and written in 32 rows of 128 bytes, in `out` as asserted.
        unsafe {
            let out = out.as_mut_ptr();
            asm!(
                "test {add:e}, {add:e}",
                "jz 2f",
                "tileloadd tmm0, [{upper} + {stride}]",
                "tileloadd tmm1, [{upper} + {stride} + 64]",
                "tileloadd tmm2, [{lower} + {stride}]",
                "tileloadd tmm3, [{lower} + {stride} + 64]",
                "jmp 3f",
                "2:",
                "tilezero tmm0",
                "tilezero tmm1",
                "tilezero tmm2",
                "tilezero tmm3",
                // Parts left · right: 0 · 2, 0 · 1, 1 · 1, 1 · 0, 2 · 0, 0 · 0; two loads lie between most of them.
                "3:",
                load_and_fetch!(4, "left0", 0),
                load_and_fetch!(6, "right0", 2),
                load_and_fetch!(5, "left1", 0),
                load_and_fetch!(7, "right1", 2),
                multiply!(),
                load_and_fetch!(6, "right0", 1),
                load_and_fetch!(7, "right1", 1),
                multiply!(),
                load_and_fetch!(4, "left0", 1),
                load_and_fetch!(5, "left1", 1),
                multiply!(),
                load_and_fetch!(6, "right0", 0),
                load_and_fetch!(7, "right1", 0),
                multiply!(),
                load_and_fetch!(4, "left0", 2),
                load_and_fetch!(5, "left1", 2),
                multiply!(),
                load!(4, "left0", 0),
                load!(5, "left1", 0),
                multiply!(),
                "add {left0}, 3072",
                "add {left1}, 3072",
                "add {right0}, 3072",
                "add {right1}, 3072",
                "dec {steps}",
                "jnz 3b",
                "tilestored [{upper} + {stride}], tmm0",
                "tilestored [{upper} + {stride} + 64], tmm1",
                "tilestored [{lower} + {stride}], tmm2",
                "tilestored [{lower} + {stride} + 64], tmm3",
                steps = inout(reg) steps => _,
                left0 = inout(reg) left.0.as_ptr() => _,
                left1 = inout(reg) left.1.as_ptr() => _,
                right0 = inout(reg) right.0.as_ptr() => _,
                right1 = inout(reg) right.1.as_ptr() => _,
                line = in(reg) 64usize,
                upper = in(reg) out,
                lower = in(reg) out.add(EDGE * stride),
                stride = in(reg) 4 * stride,
                add = in(reg) u32::from(add),
                out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                options(nostack),
            );
        }
    }
}
