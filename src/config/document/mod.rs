//! The file and the environment as one tree that knows its lines, and the walk over it that collects every problem.

pub(super) mod env;
pub(super) mod fingerprint;
pub(super) mod outline;
pub(super) mod problem;
pub(super) mod problems;
pub(super) mod section;
pub(super) mod tree;
pub(super) mod variable;
