//! What a request brings to show who asks: a session and its device, an API token, a client's certificate.

pub mod certificate;
pub mod device;
pub mod session;
pub mod shown;
pub mod token;
