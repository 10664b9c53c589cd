//! (room notify)
