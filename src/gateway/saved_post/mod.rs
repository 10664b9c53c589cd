//! A form that met a session which had ended: saved, and sent once its owner has signed in again and confirmed it.

pub mod capture;
pub mod confirmation;
pub mod recognition;
pub mod replay;
