//! How much memory there is, so that what cannot fit is refused before it is asked for: the system promises any amount, and
//! ends the process when it is used.

use std::fs::read_to_string;

/// Bytes of memory that this process may have at the most: the machine's, or what its container allows. `None` where the
/// system is no Linux.
pub fn physical_memory() -> Option<u64> {
    let text = read_to_string("/proc/meminfo").ok()?;
    let total = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kilobytes: u64 = total.trim().strip_suffix("kB")?.trim().parse().ok()?;
    // Of control groups, version 2 and 1; without a limit the first says `max`, the second a number beyond any memory.
    let limits = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];
    let limit = limits.iter().find_map(|path| read_to_string(path).ok()?.trim().parse().ok());
    Some((1024 * kilobytes).min(limit.unwrap_or(u64::MAX)))
}

/// A number of bytes as a message shows it.
pub fn gigabytes(bytes: u128) -> String {
    format!("{:.1} GB", bytes as f64 / 1e9)
}
