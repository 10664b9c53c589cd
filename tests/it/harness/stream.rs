//! The server's side of a connection: requests off the wire, byte for byte.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::upstream::Seen;

pub struct Incoming {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Incoming {
    pub fn new(stream: TcpStream) -> Self {
        Self { stream, buffer: Vec::new() }
    }

    pub async fn send(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes).await;
    }

    async fn until(&mut self, mark: &[u8]) -> Option<Vec<u8>> {
        loop {
            if let Some(at) = self.buffer.windows(mark.len()).position(|w| w == mark) {
                return Some(self.buffer.drain(..at + mark.len()).collect());
            }
            self.more().await?;
        }
    }

    async fn more(&mut self) -> Option<()> {
        let mut chunk = [0; 16 * 1024];
        match self.stream.read(&mut chunk).await {
            Ok(0) | Err(_) => None,
            Ok(n) => {
                self.buffer.extend_from_slice(&chunk[..n]);
                Some(())
            }
        }
    }

    async fn exactly(&mut self, count: usize) -> Option<Vec<u8>> {
        while self.buffer.len() < count {
            self.more().await?;
        }
        Some(self.buffer.drain(..count).collect())
    }

    /// The next request, whole.
    pub async fn request(&mut self) -> Option<Seen> {
        let head = self.until(b"\r\n\r\n").await?;
        let mut seen = Seen { head: head.iter().map(|b| char::from(*b)).collect(), ..Seen::default() };
        if seen.values("transfer-encoding").iter().any(|v| v.eq_ignore_ascii_case("chunked")) {
            loop {
                let line = String::from_utf8(self.until(b"\r\n").await?).ok()?;
                let size = usize::from_str_radix(line.trim().split(';').next()?, 16).ok()?;
                if size == 0 {
                    break;
                }
                let data = self.exactly(size + 2).await?;
                seen.body.extend(&data[..size]);
            }
            loop {
                let line = self.until(b"\r\n").await?;
                if line == b"\r\n" {
                    break;
                }
                seen.trailers.push_str(&String::from_utf8_lossy(&line));
            }
        } else if let Some(length) = seen.values("content-length").first().and_then(|v| v.parse().ok()) {
            seen.body = self.exactly(length).await?;
        }
        Some(seen)
    }

    /// The text of the next masked frame.
    pub async fn masked_text(&mut self) -> Option<Vec<u8>> {
        let head = self.exactly(2).await?;
        let mask = self.exactly(4).await?;
        let data = self.exactly(usize::from(head[1] & 0x7f)).await?;
        (head[0] == 0x81).then(|| data.iter().zip(mask.iter().cycle()).map(|(b, m)| b ^ m).collect())
    }
}
