//! The master keys: listed, rotated, and shared by the gateways over one store.

mod rotate;
mod shared;

pub use rotate::{KeyError, KeyView, Keys, Resealed, Rotation};
