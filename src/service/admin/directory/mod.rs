//! A compact row of every account in memory, in the order of names, so that any page of the list and any search takes
//! milliseconds with 100,000 users.

mod index;
mod page;
mod row;
mod rows;

pub use index::{Directory, Found};
pub use page::{Selection, page_of, page_within};
pub use row::{Groups, Kind, Locked, Row, last_sign_in};
