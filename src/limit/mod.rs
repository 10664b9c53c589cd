//! (room limit)
