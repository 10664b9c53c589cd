//! The operator's own face on pages and in mails: name, pictures, colour, support, a legal notice. Everything is read and checked when
//! the configuration is, files included, so that no page ever meets a picture that runs something or a colour that nobody can read.

mod colour;
mod house;
mod names;
mod picture;
mod png;
mod read;
mod svg;

pub use colour::Accent;
pub use house::Brand;
pub use picture::Picture;
pub(super) use read::brand;
