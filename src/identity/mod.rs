//! What an application is told of who asks: headers under the names that it knows, and a signed assertion. Pure: the caller
//! says who it is and what time it is. Guarantees that every name under which any application is told is taken out of what
//! clients send, however they spell it.

pub mod assertion;
pub mod authorization;
mod encoding;
mod headers;
mod names;
mod table;

pub use encoding::Encoding;
pub use headers::{MAX_BYTES, Subject, Unsendable, write};
pub use names::{Names, TOKEN_HEADER};
pub use table::{Groups, Preset, Table};
