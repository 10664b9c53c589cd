//! Gateways that share a store: which there are, and what one of them does for all.

pub(in crate::store) mod leases;
pub(in crate::store) mod members;
