//! The administration of accounts and sessions, for the command line and the admin pages alike.

pub mod accounts;
pub mod activity;
pub mod bulk;
pub mod directory;
pub mod overview;
pub mod rebind;
pub mod second_factors;
pub mod sessions;
pub mod setup_links;
pub mod users;
pub mod view;

pub use accounts::{AccountChange, Accounts};
pub use activity::{Activity, Period, Tally};
pub use bulk::Bulk;
pub use overview::{Observed, Overview};
pub use rebind::Rebind;
pub use second_factors::MfaChange;
pub use sessions::{AdminSessions, SessionPage};
pub use setup_links::SetupLinks;
pub use users::UserList;
pub use view::{AccountView, SeenView};
