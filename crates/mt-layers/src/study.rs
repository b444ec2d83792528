//! Rows like the short-video study's, and its four models: what `mt bench` and the benchmarks of the crates measure.
//!
//! A row of the study's census data has 499 columns, of which 34 are not zero: a few numbers, and one column of each
//! categorical field. Some columns are set in every other row and half of them in fewer than one of 200, and so it is
//! here: how much of a weight matrix stays in the cache, and how many moments of an optimizer decay to denormals,
//! depends on it.

/// Numbers, fields and categories of a field: 3 + 31 x 16 columns, one number or one category of each set.
const NUMBERS: usize = 3;
const FIELDS: usize = 31;
const CATEGORIES: usize = 16;

/// Columns of a row.
pub const WIDTH: usize = NUMBERS + FIELDS * CATEGORIES;

/// The tasks, and the share of their labels that is positive, as in the census data.
pub const TASKS: [(&str, f32); 2] = [("completion", 0.43), ("like", 0.06)];

/// Model sections of the study's sizes, in JSON.
pub const MODELS: [&str; 4] = [
    r#"{"kind": "shared-bottom", "bottom": [117]}"#,
    r#"{"kind": "mmoe", "experts": 8, "expert": [16]}"#,
    r#"{"kind": "cgc", "experts_per_task": 3, "shared_experts": 2, "expert": [16]}"#,
    r#"{"kind": "ple", "levels": 2, "experts_per_task": 3, "shared_experts": 2, "expert": [16]}"#,
];

/// Rows in compressed sparse form, with labels `rows x tasks`.
#[derive(Debug, Default)]
pub struct Rows {
    /// Where each row's entries begin, and where the last one's end.
    pub offsets: Vec<u32>,
    /// The column of each entry, increasing within a row.
    pub columns: Vec<u32>,
    /// Its value.
    pub values: Vec<f32>,
    /// 0 or 1, for each row those of [`TASKS`].
    pub labels: Vec<f32>,
}

/// The first `count` rows; the same ones every time.
pub fn rows(count: usize) -> Rows {
    let mut rows = Rows { offsets: vec![0], ..Rows::default() };
    let mut state = 1;
    for _ in 0..count {
        for column in 0..NUMBERS {
            // The sum of four is near enough to a normal distribution with a deviation of 1.
            let sum: f32 = (0..4).map(|_| share(&mut state) - 0.5).sum();
            rows.columns.push(column as u32);
            rows.values.push(sum * 3f32.sqrt());
        }
        for field in 0..FIELDS {
            // Each category half as frequent as the one before.
            let category = (random(&mut state).trailing_zeros() as usize).min(CATEGORIES - 1);
            rows.columns.push((NUMBERS + field * CATEGORIES + category) as u32);
            rows.values.push(1.0);
        }
        rows.offsets.push(rows.columns.len() as u32);
        rows.labels.extend(TASKS.map(|(_, positive)| f32::from(u8::from(share(&mut state) < positive))));
    }
    rows
}

/// SplitMix64 (Steele et al. 2014): short enough to stand here, and good enough for rows.
fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// From 0 to below 1.
fn share(state: &mut u64) -> f32 {
    (random(state) >> 40) as f32 / (1u64 << 24) as f32
}
