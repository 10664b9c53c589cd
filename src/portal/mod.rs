//! (room portal)
