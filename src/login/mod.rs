//! (room login)
