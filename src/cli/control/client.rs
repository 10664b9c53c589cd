//! The caller's end of the control socket.

use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use serde_json::Value;

use super::{Command, Frame, SocketPath};
use crate::service::import::Progress;

/// A gateway that answers.
pub struct Connection(BufReader<UnixStream>);

/// Why no gateway was reached.
#[derive(Debug, thiserror::Error)]
pub enum Unreached {
    /// No socket, or nobody behind it: the store may be opened directly.
    #[error("no gateway runs with this data folder; start one with `vestibule serve`")]
    Nobody,
    #[error("{0} cannot be opened: {1}; run this as the user that the gateway runs as, or as root")]
    Refused(std::path::PathBuf, std::io::Error),
}

impl Connection {
    /// # Errors
    /// [`Unreached`].
    pub fn open(data_dir: &Path) -> Result<Self, Unreached> {
        let refused = |e| Unreached::Refused(data_dir.join("control.sock"), e);
        let socket = match SocketPath::new(data_dir) {
            Ok(socket) => socket,
            Err(e) if e.kind() == ErrorKind::NotFound => return Err(Unreached::Nobody),
            Err(e) => return Err(refused(e)),
        };
        match UnixStream::connect(&socket.path) {
            Ok(stream) => Ok(Self(BufReader::new(stream))),
            Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused | ErrorKind::NotADirectory) => {
                Err(Unreached::Nobody)
            }
            Err(e) => Err(refused(e)),
        }
    }

    /// Sends a command and waits for the whole answer; a list comes back as an array. `tell` is told the progress, if the command
    /// asks for that.
    ///
    /// # Errors
    /// What the gateway says, or that it went away.
    pub fn run(&mut self, command: &Command, tell: &dyn Fn(Progress)) -> Result<Value, String> {
        let gone = |_| "the gateway went away before it answered; look at its log, and try again".to_owned();
        let mut line = zeroize::Zeroizing::new(serde_json::to_vec(command).map_err(|e| e.to_string())?);
        line.push(b'\n');
        self.0.get_mut().write_all(&line).map_err(gone)?;
        let mut items = Vec::new();
        loop {
            let mut line = zeroize::Zeroizing::new(String::new());
            if self.0.read_line(&mut line).map_err(gone)? == 0 {
                return Err("the gateway hung up: it takes commands from its own user and root only; run this as that user".to_owned());
            }
            match serde_json::from_str(&line).map_err(|_| "the gateway's answer makes no sense; is it of the same version?".to_owned())? {
                Frame::Item(item) => items.push(item),
                Frame::Progress(progress) => tell(progress),
                Frame::Done(Value::Array(_)) => return Ok(Value::Array(items)),
                Frame::Done(value) => return Ok(value),
                Frame::Failed(what) => return Err(what),
            }
        }
    }
}
