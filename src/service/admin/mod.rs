//! The administration of accounts and sessions, for the command line and the admin pages alike.

pub mod accounts;
pub mod directory;
pub mod overview;
pub mod second_factors;
pub mod sessions;
pub mod view;

pub use accounts::AccountChange;
pub use overview::Observed;
pub use second_factors::MfaChange;
pub use sessions::SessionPage;
pub use view::AccountView;
