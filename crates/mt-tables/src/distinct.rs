//! Distinct numbers, each with its place in the order of first use.

/// Distinct numbers. Buffers keep their memory.
#[derive(Debug, Default)]
pub(crate) struct Distinct {
    ids: Vec<u32>,
    /// Open addressing: 1 + a place in `ids`, or 0. A power of two, at most half full.
    places: Vec<u32>,
}

impl Distinct {
    /// In the order of their first use.
    pub fn ids(&self) -> &[u32] {
        &self.ids
    }

    pub fn clear(&mut self) {
        self.ids.clear();
        self.places.fill(0);
    }

    /// Makes room for so many more, as [`place`](Self::place) needs.
    pub fn reserve(&mut self, more: usize) {
        self.ids.reserve(more);
        let capacity = (2 * (self.ids.len() + more)).next_power_of_two().max(16);
        if self.places.len() < capacity {
            self.places.clear();
            self.places.resize(capacity, 0);
            for p in 0..self.ids.len() {
                let mut at = self.hash(self.ids[p]);
                while self.places[at] != 0 {
                    at = (at + 1) & (capacity - 1);
                }
                self.places[at] = p as u32 + 1;
            }
        }
    }

    /// Where to look for a number first: the high bits of its product with 2³² divided by the golden ratio.
    #[inline(always)]
    fn hash(&self, id: u32) -> usize {
        let bits = self.places.len().trailing_zeros();
        (u64::from(id.wrapping_mul(0x9e37_79b1)) >> (32 - bits.min(32))) as usize
    }

    /// The place of a number, and whether it is new.
    #[inline(always)]
    pub fn place(&mut self, id: u32) -> (u32, bool) {
        let mask = self.places.len() - 1;
        let mut at = self.hash(id);
        loop {
            match self.places[at] {
                0 => {
                    let place = self.ids.len() as u32;
                    self.ids.push(id);
                    self.places[at] = place + 1;
                    return (place, true);
                }
                p if self.ids[p as usize - 1] == id => return (p - 1, false),
                _ => at = (at + 1) & mask,
            }
        }
    }
}
