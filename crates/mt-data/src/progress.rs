//! How far reading has come.

/// How far reading has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Bytes read of the files being read, before decompression.
    pub bytes_done: u64,
    /// Bytes of those files; `None` where there are no files.
    pub bytes_total: Option<u64>,
    /// Rows so far.
    pub rows: u64,
}
