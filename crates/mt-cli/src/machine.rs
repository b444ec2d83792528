//! What the system says about the processor and this process; where it is no Linux, little.

use std::fs::read_to_string;

/// The processor's name where Linux says it, else its architecture.
pub fn cpu() -> String {
    let text = read_to_string("/proc/cpuinfo").unwrap_or_default();
    let mut pairs = text.lines().filter_map(|line| line.split_once(':'));
    let named = pairs.find(|(key, _)| key.trim() == "model name");
    named.map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, name)| name.trim().to_owned())
}

/// The most memory this process has had so far, in bytes; mapped files count as far as they were read.
pub fn peak_memory() -> Option<u64> {
    let text = read_to_string("/proc/self/status").ok()?;
    let peak = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = peak.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(1024 * kilobytes)
}

/// Seconds of processor time that all threads have taken so far.
pub fn cpu_seconds() -> Option<f64> {
    let text = read_to_string("/proc/self/stat").ok()?;
    // The program's name, in parentheses, may hold blanks.
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |i: usize| fields.get(i)?.parse::<f64>().ok();
    // Fields 14 and 15, user and system time, in hundredths of a second on every Linux.
    Some((ticks(11)? + ticks(12)?) / 100.0)
}
