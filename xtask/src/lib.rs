//! The examples of README and docs, compiled and run as doctests; the chores themselves are a binary.

/// Of the workspace's page.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;

/// Of the page about serving.
#[cfg(doctest)]
#[doc = include_str!("../../docs/serving.md")]
struct Serving;
