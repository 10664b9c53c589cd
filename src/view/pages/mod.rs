//! The pages of a sign-in and an enrolment, and those that say that something went wrong.

pub mod applications;
pub mod contact;
pub mod enrol;
pub mod login;
pub mod message;
pub mod mfa;
pub mod password;
pub mod provider;
pub mod recovery;
pub mod tokens;
