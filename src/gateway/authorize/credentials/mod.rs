//! What a request brings in the place of a session, or beside one: an API token, a client's certificate.

pub mod certificate;
pub mod token;
