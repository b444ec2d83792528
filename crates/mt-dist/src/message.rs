//! What ranks send each other: numbers of 32 bits, as the machine has them. All ranks are programs of one build.

use crate::error::{Error, Result};

/// A message as it is written.
///
/// ```
/// use mt_dist::{Message, Reader};
///
/// let mut message = Message::default();
/// message.put(&[2]);
/// message.put_floats(&[0.5, -0.0]);
/// let mut reader = Reader::new(message.bytes());
/// let count = reader.word()?;
/// assert_eq!(reader.floats(count)?, [0.5, -0.0]);
/// assert!(reader.word().is_err());
/// # Ok::<(), mt_dist::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Message(Vec<u8>);

impl Message {
    /// Adds whole numbers.
    pub fn put(&mut self, words: &[u32]) {
        self.0.extend_from_slice(bytemuck::cast_slice(words));
    }

    /// Adds floats.
    pub fn put_floats(&mut self, floats: &[f32]) {
        self.0.extend_from_slice(bytemuck::cast_slice(floats));
    }

    /// Adds floats of 64 bits.
    pub fn put_doubles(&mut self, doubles: &[f64]) {
        self.0.extend_from_slice(bytemuck::cast_slice(doubles));
    }

    /// What is sent.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The same, taken out.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

/// A message as it is read, from its beginning to its end.
#[derive(Debug, Clone)]
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// All of a message.
    pub fn new(message: &'a [u8]) -> Self {
        Self(message)
    }

    fn fill<T: bytemuck::Pod>(&mut self, out: &mut [T]) -> Result<()> {
        let (now, rest) = self.0.split_at_checked(size_of_val(out)).ok_or(Error::Message)?;
        self.0 = rest;
        bytemuck::cast_slice_mut::<T, u8>(out).copy_from_slice(now);
        Ok(())
    }

    fn numbers<T: bytemuck::Pod>(&mut self, count: usize) -> Result<Vec<T>> {
        // No more room than there can be numbers: the count may be a message's own.
        let mut numbers = vec![T::zeroed(); count.min(self.0.len() / size_of::<T>() + 1)];
        self.fill(&mut numbers)?;
        if numbers.len() == count { Ok(numbers) } else { Err(Error::Message) }
    }

    /// The next whole numbers.
    ///
    /// # Errors
    ///
    /// [`Error::Message`] if there are not so many.
    pub fn words(&mut self, count: usize) -> Result<Vec<u32>> {
        self.numbers(count)
    }

    /// The next one.
    ///
    /// # Errors
    ///
    /// [`Error::Message`] if there is none.
    pub fn word(&mut self) -> Result<usize> {
        Ok(self.words(1)?[0] as usize)
    }

    /// The next floats.
    ///
    /// # Errors
    ///
    /// As [`words`](Self::words).
    pub fn floats(&mut self, count: usize) -> Result<Vec<f32>> {
        self.numbers(count)
    }

    /// The same, written to `out`.
    ///
    /// # Errors
    ///
    /// As [`words`](Self::words).
    pub fn floats_into(&mut self, out: &mut [f32]) -> Result<()> {
        self.fill(out)
    }

    /// The next floats of 64 bits.
    ///
    /// # Errors
    ///
    /// As [`words`](Self::words).
    pub fn doubles(&mut self, count: usize) -> Result<Vec<f64>> {
        self.numbers(count)
    }
}
