//! The handler of signals.
#![allow(unsafe_code)]

use std::io;
use std::ptr::null_mut;

use super::asked::{EXIT_CODE, asked};
use libc::{SIG_IGN, SIGHUP, SIGINT, SIGTERM, c_int};

/// Handles SIGINT and SIGTERM, and SIGHUP unless it is ignored: then someone wants the program to outlive its terminal.
pub(super) fn listen() -> io::Result<()> {
    [SIGINT, SIGTERM, SIGHUP]
        .into_iter()
        .filter(|signal| *signal != SIGHUP || !is_ignored(SIGHUP))
        .try_for_each(handle)
}

fn is_ignored(signal: c_int) -> bool {
    // SAFETY: without a new action the call only writes the current one, and zeros are an action.
    unsafe {
        let mut now: libc::sigaction = std::mem::zeroed();
        libc::sigaction(signal, std::ptr::null(), &mut now) == 0 && now.sa_sigaction == SIG_IGN
    }
}

fn handle(signal: c_int) -> io::Result<()> {
    let handler: extern "C" fn(c_int) = on_signal;
    // SAFETY: zeros are an action, and the set of signals that wait meanwhile is emptied. The handler does nothing but
    // what a handler may: it changes an atomic, and ends the process without running anything else of it.
    let set = unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler as usize;
        action.sa_flags = libc::SA_RESTART;
        libc::sigemptyset(&mut action.sa_mask);
        libc::sigaction(signal, &action, null_mut())
    };
    if set == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

extern "C" fn on_signal(_: c_int) {
    if !asked() {
        // SAFETY: `_exit` may be called at any time.
        unsafe { libc::_exit(EXIT_CODE.into()) }
    }
}
