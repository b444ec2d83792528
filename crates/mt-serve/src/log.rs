//! Lines of the log, written by a thread that no request waits for.

use std::cell::Cell;
use std::fmt;
use std::io::{self, ErrorKind, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use tracing::warn;

/// Bytes of lines that wait to be written at most: some thousand lines.
const ROOM: usize = 1 << 20;

/// How long until a full pipe that must not be waited for is tried again.
const AGAIN: Duration = Duration::from_millis(20);

thread_local! {
    /// Whether this is the thread that writes.
    static WRITES: Cell<bool> = const { Cell::new(false) };
}

/// Where the lines of a log go, whole ones, to be written by a thread of its own. Clones are one queue.
///
/// Whoever logs never waits and never fails. Lines for which there is no room, because the reader has stopped reading,
/// and lines that cannot be written, because it is gone or the disk is full, are lost and counted; once writing works
/// again, a line says how many they were.
#[derive(Clone)]
pub struct LogQueue(Arc<Queue>);

struct Queue {
    state: Mutex<State>,
    /// There are lines to write.
    filled: Condvar,
    /// All of them are written, or lost.
    idle: Condvar,
    lost: Counter,
}

#[derive(Default)]
struct State {
    lines: Vec<u8>,
    writing: bool,
}

impl LogQueue {
    /// A queue to `out`, such as standard error.
    ///
    /// # Errors
    /// If no thread can be started.
    pub fn new(out: impl Write + Send + 'static) -> io::Result<Self> {
        let queue = Arc::new(Queue {
            state: Mutex::default(),
            filled: Condvar::new(),
            idle: Condvar::new(),
            lost: Counter::default(),
        });
        let writer = queue.clone();
        thread::Builder::new().name("log".into()).spawn(move || writer.write_on(out))?;
        Ok(Self(queue))
    }

    /// Waits until every line is written or lost, but no longer than this.
    pub fn wait(&self, within: Duration) {
        let busy = |state: &mut State| state.writing || !state.lines.is_empty();
        let _ = self.0.idle.wait_timeout_while(self.0.state(), within, busy);
    }

    /// Lines that were lost so far.
    pub fn lost(&self) -> u64 {
        self.0.lost.get()
    }

    pub(crate) fn counter(&self) -> Counter {
        self.0.lost.clone()
    }
}

/// Takes one line, the line feed at its end included, as a whole or not at all.
impl Write for LogQueue {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut state = self.0.state();
        // What the writer itself has to say is how many lines were lost.
        if state.lines.len() + line.len() > ROOM && !WRITES.get() {
            self.0.lost.inc();
        } else {
            state.lines.extend_from_slice(line);
            self.0.filled.notify_one();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Queue {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_on(&self, mut out: impl Write) {
        WRITES.set(true);
        let mut lines = Vec::new();
        // Lost lines that were told of, and those that a line in the queue tells of.
        let (mut told, mut telling) = (0, 0);
        // Whether only a part of the last line was written.
        let mut torn = false;
        loop {
            lines.clear();
            let mut state = self.state();
            state.writing = false;
            if state.lines.is_empty() {
                self.idle.notify_all();
            }
            let waited = self.filled.wait_while(state, |state| state.lines.is_empty());
            state = waited.unwrap_or_else(PoisonError::into_inner);
            std::mem::swap(&mut lines, &mut state.lines);
            state.writing = true;
            drop(state);

            let blocked = torn && write(&mut out, b"\n") == 0;
            let written = if blocked { 0 } else { write(&mut out, &lines) };
            let rest = &lines[written..];
            torn = lines[..written].last().map_or(blocked, |last| *last != b'\n');
            self.lost.inc_by(rest.iter().filter(|byte| **byte == b'\n').count() as u64);
            if rest.is_empty() {
                told += telling;
                telling = self.lost.get() - told;
                if telling > 0 {
                    warn!(lines = telling, "lines of the log were lost: they could not be written");
                }
            } else {
                telling = 0;
            }
        }
    }
}

/// Writes what can be written; returns how many bytes that are.
fn write(out: &mut impl Write, bytes: &[u8]) -> usize {
    let mut written = 0;
    while written < bytes.len() {
        match out.write(&bytes[written..]) {
            Ok(0) => break,
            Ok(n) => written += n,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(AGAIN),
            Err(_) => break,
        }
    }
    written
}

impl fmt::Debug for LogQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogQueue").field("lost", &self.lost()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A disk with room for so many more bytes, and what was written on it.
    #[derive(Clone, Default)]
    struct Disk(Arc<Mutex<(usize, Vec<u8>)>>);

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let (room, written) = &mut *self.0.lock().expect("no panic");
            let n = bytes.len().min(*room);
            if n == 0 {
                return Err(ErrorKind::StorageFull.into());
            }
            *room -= n;
            written.extend_from_slice(&bytes[..n]);
            Ok(n)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn log(queue: &mut LogQueue, line: &str) {
        queue.write_all(format!("{line}\n").as_bytes()).expect("never fails");
        queue.wait(Duration::from_secs(20));
    }

    #[test]
    fn lines_that_do_not_fit_on_the_disk_are_counted_and_the_next_one_starts_a_line() {
        let disk = Disk::default();
        let mut queue = LogQueue::new(disk.clone()).expect("a thread");
        let room = |bytes| disk.0.lock().expect("no panic").0 = bytes;
        room(10);
        for line in ["one", "two", "three", "four"] {
            log(&mut queue, line);
        }
        assert_eq!(queue.lost(), 2);
        room(100);
        log(&mut queue, "five");
        let written = String::from_utf8(disk.0.lock().expect("no panic").1.clone()).expect("text");
        assert_eq!(written, "one\ntwo\nth\nfive\n");
    }

    #[test]
    fn nobody_waits_for_a_reader_that_has_stopped() {
        struct Stopped;
        impl Write for Stopped {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                loop {
                    thread::park();
                }
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut queue = LogQueue::new(Stopped).expect("a thread");
        let line = [b'x'; 1000];
        (0..4000).for_each(|_| queue.write_all(&line).expect("never fails"));
        // Some are with the writer, and no more wait than there is room for.
        let room = (ROOM / line.len()) as u64;
        assert!((4000 - 2 * room..=4000 - room).contains(&queue.lost()), "{}", queue.lost());
        queue.wait(Duration::from_millis(1));
    }
}
