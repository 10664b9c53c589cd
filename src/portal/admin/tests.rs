//! The administration, driven through its router over a real store and a clock that is set by hand.

mod bulk;
mod gate;
mod house;
mod lists;
mod scale;
mod users;
