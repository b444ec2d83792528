//! Radix sort, which orders a million scores two to three times faster than comparing them does.

/// Three digits of 11 bits make up a key, and the counts of a digit fit in the first-level cache.
const DIGIT: u32 = 11;
const MASK: usize = (1 << DIGIT) - 1;
/// Below this many rows going over the counts costs more than comparing.
const FEW: usize = 2048;

/// Sorts by `key_of`, from the lowest; in what order equal keys come out is unspecified.
pub(crate) fn sort_by_key<T: Copy + Default>(items: &mut Vec<T>, key_of: impl Fn(T) -> u32) {
    if items.len() < FEW {
        return items.sort_unstable_by_key(|&item| key_of(item));
    }
    sort_by_digits::<T, 3>(items, |item, place| (key_of(item) >> (DIGIT * place)) as usize & MASK);
}

/// The same for keys of 64 bits, such as a group code above a score's key.
pub(crate) fn sort_by_long_key<T: Copy + Default>(items: &mut Vec<T>, key_of: impl Fn(T) -> u64) {
    if items.len() < FEW {
        return items.sort_unstable_by_key(|&item| key_of(item));
    }
    sort_by_digits::<T, 6>(items, |item, place| (key_of(item) >> (DIGIT * place)) as usize & MASK);
}

/// Sorts by `PLACES` digits, the lowest first.
fn sort_by_digits<T: Copy + Default, const PLACES: usize>(
    items: &mut Vec<T>,
    digit: impl Fn(T, u32) -> usize,
) {
    let mut counts = vec![[0_usize; MASK + 1]; PLACES];
    for &item in items.iter() {
        for (place, counts) in (0..).zip(&mut counts) {
            counts[digit(item, place)] += 1;
        }
    }
    let mut sorted = vec![T::default(); items.len()];
    for (place, counts) in (0..).zip(&mut counts) {
        // A digit that all items share, as the upper ones of small codes are, orders nothing.
        if counts[digit(items[0], place)] == items.len() {
            continue;
        }
        let mut start = 0;
        for count in counts.iter_mut() {
            start += std::mem::replace(count, start);
        }
        // Each count is now where the next item with that digit goes.
        for &item in items.iter() {
            let next = &mut counts[digit(item, place)];
            sorted[*next] = item;
            *next += 1;
        }
        std::mem::swap(items, &mut sorted);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sorts_few_and_many_items_as_comparison_does() {
        for count in [0, 1, 100, FEW - 1, FEW, 3 * FEW] {
            // An odd constant scatters the keys over all 32 bits.
            let mut keys: Vec<u32> = (0..count as u32).map(|i| (i / 2).wrapping_mul(0x9E37_79B9)).collect();
            let mut expected = keys.clone();
            expected.sort_unstable();
            sort_by_key(&mut keys, |key| key);
            assert_eq!(keys, expected);
        }
    }

    #[test]
    fn sorts_long_integers_whatever_digits_they_share() {
        for (count, bits) in [(100, 64), (3 * FEW, 64), (3 * FEW, 40), (3 * FEW, 1), (3 * FEW, 0)] {
            let scattered = |i: u64| (i / 2).wrapping_mul(0x9E37_79B9_7F4A_7C15).unbounded_shr(64 - bits);
            let mut keys: Vec<u64> = (0..count as u64).map(scattered).collect();
            let mut expected = keys.clone();
            expected.sort_unstable();
            sort_by_long_key(&mut keys, |key| key);
            assert_eq!(keys, expected);
        }
    }
}
