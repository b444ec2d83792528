//! The public interface of `mt-profile`, tested from outside.

mod leaks;
mod profile;
mod support;
