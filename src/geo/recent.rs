//! What was looked up lately, on each thread: the requests of a connection come from one address, and are served by one thread.

use std::cell::RefCell;
use std::net::IpAddr;

use super::origin::Origin;

/// A power of two.
const PLACES: usize = 64;

#[derive(Clone, Copy)]
struct Known {
    generation: u64,
    address: IpAddr,
    origin: Origin,
}

thread_local!(static KNOWN: RefCell<[Option<Known>; PLACES]> = const { RefCell::new([None; PLACES]) });

/// What is known of an address under a set of databases; looked up if it is not known.
pub fn find(generation: u64, address: IpAddr, look_up: impl FnOnce() -> Origin) -> Origin {
    let place = place(address);
    let known = KNOWN.with_borrow(|known| known.get(place).copied().flatten());
    if let Some(known) = known.filter(|known| known.generation == generation && known.address == address) {
        return known.origin;
    }
    let origin = look_up();
    KNOWN.with_borrow_mut(|known| {
        if let Some(kept) = known.get_mut(place) {
            *kept = Some(Known { generation, address, origin });
        }
    });
    origin
}

fn place(address: IpAddr) -> usize {
    let byte = match address {
        IpAddr::V4(address) => address.octets().iter().fold(0_u8, |sum, byte| sum.wrapping_mul(31).wrapping_add(*byte)),
        IpAddr::V6(address) => address.octets().iter().fold(0_u8, |sum, byte| sum.wrapping_mul(31).wrapping_add(*byte)),
    };
    usize::from(byte) % PLACES
}
