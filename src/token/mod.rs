//! API tokens: what one looks like, how it may arrive, what it may open and until when. Pure: nothing is stored or looked up
//! here. A token opens nothing that its owner may not open at that moment.

mod credential;
mod record;
mod scope;
mod text;
mod way;

pub use credential::{Credential, is_ours, read};
pub use record::{LastUse, Token};
pub use scope::{OutOfScope, Scope};
pub use text::{Digest, PREFIX, digest, generate};
pub use way::{CountsAs, Way, Ways};
