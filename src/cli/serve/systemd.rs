//! What the service manager and the gateway tell each other: listening sockets that were opened before the start (sd_listen_fds(3)),
//! and how far the start has come (sd_notify(3)). Without a service manager nothing happens here.

use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use anyhow::Context;

/// The sockets that were handed over with `LISTEN_FDS`. Call once, before any thread is started: it takes the variables away, so that
/// no child takes them for its own.
///
/// # Errors
/// Where one of them is no TCP socket.
pub fn sockets() -> anyhow::Result<Vec<TcpListener>> {
    let mut handed = listenfd::ListenFd::from_env();
    let taken = (0..handed.len()).map(|at| handed.take_tcp_listener(at));
    let sockets: Vec<_> = taken.collect::<Result<_, _>>().context("a socket that was handed over with LISTEN_FDS cannot be used")?;
    Ok(sockets.into_iter().flatten().collect())
}

/// How far the gateway is.
#[derive(Clone, Copy, Debug)]
pub enum State {
    /// It accepts connections; also after a reload, taken or refused.
    Ready,
    Reloading,
    Stopping,
}

impl State {
    const fn text(self) -> &'static str {
        match self {
            Self::Ready => "READY=1",
            Self::Reloading => "RELOADING=1",
            Self::Stopping => "STOPPING=1",
        }
    }
}

/// Tells the service manager, if there is one. One that does not listen is no reason to stop.
pub fn notify(state: State) {
    let Some(path) = std::env::var_os("NOTIFY_SOCKET") else { return };
    if let Err(e) = tell(path.as_bytes(), state.text()) {
        tracing::warn!(error = %e, "the service manager could not be told: {}", state.text());
    }
}

fn tell(path: &[u8], text: &str) -> std::io::Result<()> {
    let address = match path.strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(std::ffi::OsStr::from_bytes(path))?,
    };
    UnixDatagram::unbound()?.send_to_addr(text.as_bytes(), &address).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manager_hears_it_at_a_path_and_at_an_abstract_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let name = format!("vestibule-test-{}", std::process::id());
        let abstract_address = SocketAddr::from_abstract_name(&name).unwrap();
        let ears = [UnixDatagram::bind(&path).unwrap(), UnixDatagram::bind_addr(&abstract_address).unwrap()];
        tell(path.as_os_str().as_bytes(), State::Ready.text()).unwrap();
        tell(format!("@{name}").as_bytes(), State::Stopping.text()).unwrap();
        let mut heard = [0; 64];
        for (ear, text) in ears.iter().zip(["READY=1", "STOPPING=1"]) {
            let length = ear.recv(&mut heard).unwrap();
            assert_eq!(&heard[..length], text.as_bytes());
        }
        assert!(tell(b"/nowhere/at/all", "READY=1").is_err());
    }
}
