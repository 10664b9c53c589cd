//! Sessions bound to a key of the browser's device: offered to whoever has just authenticated, registered once, shown again and again
//! (W3C Device Bound Session Credentials). Guarantees that nobody but a holder of the key gets a bound cookie that lasts longer, and that a session is
//! bound once, to the first key that answers its offer.

mod census;
mod devices;
mod offer;
mod refresh;
mod register;
mod tally;

pub use census::{DeviceCensus, RouteDevices};
pub use devices::{Devices, Shows};
pub use refresh::Refreshed;
pub use register::Registered;
pub use tally::{DeviceEvent, DeviceTally};
