//! Tests of the public API.

mod golden;
mod identities;
mod undefined;
