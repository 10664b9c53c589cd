//! The gateway's end of the control socket. Mode 0600 in a folder of mode 0700, and the peer's user id is asked of the kernel besides.

use std::convert::Infallible;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader, BufWriter};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;

use super::{Command, Frame, MAX_COMMAND, SocketPath, execute};
use crate::app::App;
use crate::service::import::Meter;

/// Loads the configuration again and puts it in force, or only says what it would change: what to say of it, or everything that is wrong.
pub type Reload = Arc<dyn Fn(Mode) -> Pin<Box<dyn Future<Output = Result<Value, String>> + Send>> + Send + Sync>;

/// Whether a reload is meant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    Swap,
    DryRun,
}

/// How many may be connected at once.
const CONNECTIONS: usize = 16;
/// How long a caller may take for one command, and for taking in one piece of the answer: whoever stopped halfway holds no place for ever.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often a caller is told how far its command is.
const EVERY: Duration = Duration::from_secs(1);

/// The open socket: closed and removed when dropped.
pub struct ControlGuard {
    socket: SocketPath,
    inode: u64,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for ControlGuard {
    fn drop(&mut self) {
        self.task.abort();
        // Only the socket that is ours: a successor may have put its own there.
        if std::fs::symlink_metadata(&self.socket.path).is_ok_and(|meta| meta.ino() == self.inode) {
            let _ = std::fs::remove_file(&self.socket.path);
        }
    }
}

/// Opens the socket in the data folder and answers on it. Call on the runtime that will do the work.
///
/// # Errors
/// Where another gateway answers there, or the folder cannot be written.
pub fn serve(app: Arc<App>, reload: Reload, data_dir: &Path) -> anyhow::Result<ControlGuard> {
    crate::store::private_folder(data_dir)?;
    let shown = data_dir.join("control.sock");
    let socket = SocketPath::new(data_dir).with_context(|| format!("{} cannot be opened", data_dir.display()))?;
    remove_stale(&socket.path).with_context(|| format!("{} is in the way", shown.display()))?;
    let listener = UnixListener::bind(&socket.path).with_context(|| format!("{} cannot be made", shown.display()))?;
    std::fs::set_permissions(&socket.path, PermissionsExt::from_mode(0o600))?;
    let inode = std::fs::symlink_metadata(&socket.path)?.ino();
    let task = tokio::spawn(accept(listener, app, reload));
    Ok(ControlGuard { socket, inode, task })
}

/// A socket that nobody listens on is what a killed gateway left behind.
fn remove_stale(path: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::FileTypeExt;
    match std::fs::symlink_metadata(path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(e.into()),
        Ok(meta) if !meta.file_type().is_socket() => anyhow::bail!("it is no socket; move it aside"),
        Ok(_) => {}
    }
    match std::os::unix::net::UnixStream::connect(path) {
        Ok(_) => anyhow::bail!("another gateway runs with this data folder; stop it first"),
        Err(e) if e.kind() == std::io::ErrorKind::ConnectionRefused => Ok(std::fs::remove_file(path)?),
        Err(e) => Err(e.into()),
    }
}

async fn accept(listener: UnixListener, app: Arc<App>, reload: Reload) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(place) = places.clone().acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let (app, reload) = (app.clone(), reload.clone());
                tokio::spawn(async move {
                    if let Err(e) = converse(stream, &app, &reload).await {
                        tracing::debug!(error = %e, "a control connection broke");
                    }
                    drop(place);
                });
            }
            Err(e) => {
                tracing::warn!(error = %e, "a control connection could not be taken");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn converse(stream: UnixStream, app: &Arc<App>, reload: &Reload) -> anyhow::Result<()> {
    let (peer, own) = (stream.peer_cred()?.uid(), rustix::process::geteuid().as_raw());
    if peer != own && peer != 0 {
        tracing::warn!(peer, "a command from another user was refused");
        return Ok(());
    }
    let (input, output) = stream.into_split();
    let (mut input, mut output) = (BufReader::new(input), BufWriter::new(output));
    while let Some(line) = within(PATIENCE, next_line(&mut input)).await? {
        let answer = match serde_json::from_slice(&line) {
            Ok(Command::Reload) => reload(Mode::Swap).await,
            Ok(Command::ReloadDryRun) => reload(Mode::DryRun).await,
            Ok(command) => carry_out(app, command, &mut output).await,
            Err(_) => Err("the gateway does not know this command; is it of the same version?".to_owned()),
        };
        write(&mut output, answer).await?;
    }
    Ok(())
}

/// Does it, and tells meanwhile how far it is where that is asked for.
async fn carry_out(app: &Arc<App>, command: Command, output: &mut BufWriter<OwnedWriteHalf>) -> Result<Value, String> {
    let (meter, wanted) = (Meter::default(), command.wants_progress());
    let work = execute(app, command, &meter);
    if !wanted {
        return work.await;
    }
    tokio::select! {
        biased;
        answer = work => answer,
        never = tell(output, &meter, EVERY) => match never {},
    }
}

/// Writes how far it is, again and again until dropped; a line is in the buffer whole or not at all. A caller that does not read, or
/// is gone, does not stop what it asked for.
async fn tell<W: AsyncWrite + Unpin>(output: &mut BufWriter<W>, meter: &Meter, every: Duration) -> Infallible {
    let mut beat = tokio::time::interval(every);
    beat.tick().await;
    loop {
        beat.tick().await;
        let told = frame(output, &Frame::Progress(meter.progress())).await;
        if told.is_err() || output.flush().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

async fn next_line(input: &mut BufReader<OwnedReadHalf>) -> anyhow::Result<Option<zeroize::Zeroizing<Vec<u8>>>> {
    let mut line = zeroize::Zeroizing::new(Vec::new());
    (&mut *input).take(MAX_COMMAND).read_until(b'\n', &mut line).await?;
    match line.last() {
        None => Ok(None),
        Some(b'\n') => Ok(Some(line)),
        Some(_) => anyhow::bail!("a command that was cut off or too long"),
    }
}

async fn write(output: &mut BufWriter<OwnedWriteHalf>, answer: Result<Value, String>) -> anyhow::Result<()> {
    let last = match answer {
        Ok(Value::Array(items)) => {
            for item in items {
                frame(output, &Frame::Item(item)).await?;
            }
            Frame::Done(Value::Array(Vec::new()))
        }
        Ok(value) => Frame::Done(value),
        Err(what) => Frame::Failed(what),
    };
    frame(output, &last).await?;
    within(PATIENCE, async { Ok(output.flush().await?) }).await
}

async fn frame<W: AsyncWrite + Unpin>(output: &mut BufWriter<W>, frame: &Frame) -> anyhow::Result<()> {
    let mut line = zeroize::Zeroizing::new(serde_json::to_vec(frame)?);
    line.push(b'\n');
    within(PATIENCE, async { Ok(output.write_all(&line).await?) }).await
}

/// # Errors
/// Where it takes longer.
async fn within<T>(most: Duration, step: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::time::timeout(most, step).await.context("the caller was waited for in vain")?
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::import::Stage;

    #[tokio::test(start_paused = true)]
    async fn who_stops_halfway_through_a_command_is_not_waited_for() {
        let (mut near, far) = UnixStream::pair().unwrap();
        let (input, _output) = far.into_split();
        let mut input = BufReader::new(input);
        near.write_all(b"{}\n{\"hal").await.unwrap();
        assert_eq!(within(PATIENCE, next_line(&mut input)).await.unwrap().unwrap().as_slice(), b"{}\n");
        let started = tokio::time::Instant::now();
        assert!(within(PATIENCE, next_line(&mut input)).await.is_err());
        assert_eq!(started.elapsed(), PATIENCE);
    }

    #[tokio::test]
    async fn a_caller_is_told_how_far_it_is_and_one_who_does_not_read_holds_nothing_up() {
        let meter = Meter::default();
        meter.begin(Stage::Check, 10);
        meter.step(3);
        let (near, far) = tokio::io::duplex(200);
        let mut output = BufWriter::new(near);
        let work = tokio::time::sleep(Duration::from_millis(200));
        tokio::select! {
            biased;
            () = work => {},
            never = tell(&mut output, &meter, Duration::from_millis(1)) => match never {},
        }
        let mut lines = BufReader::new(far).lines();
        let first = lines.next_line().await.unwrap().unwrap();
        assert_eq!(first, r#"{"progress":{"stage":"check","done":3,"total":10}}"#);
    }
}
