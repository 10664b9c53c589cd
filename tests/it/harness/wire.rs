//! HTTP/1.1 as bytes on a socket: nothing between the test and the gateway that would tidy what is sent or hide what comes back.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

/// Nothing on the loopback takes this long; a test that hangs says so.
const PATIENCE: Duration = Duration::from_secs(60);

/// An answer as it came.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    pub status: u16,
    /// In order, names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    /// A header that stands there at most once.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.all(name);
        let first = found.next();
        assert!(found.next().is_none(), "{name} stands twice in {:?}", self.headers);
        first
    }

    pub fn all<'a, 'n>(&'a self, name: &'n str) -> impl Iterator<Item = &'a str> + use<'a, 'n> {
        self.headers.iter().filter(move |(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    pub fn location(&self) -> &str {
        self.header("location").unwrap_or_else(|| panic!("no Location in {} {:?}", self.status, self.headers))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }

    /// The words of the alert on the page.
    pub fn alert(&self) -> Option<String> {
        let text = self.text();
        let rest = &text[text.find("role=\"alert\"")?..];
        let rest = &rest[rest.find("<span>")? + 6..];
        Some(super::html::decode(&rest[..rest.find("</span>")?]))
    }

    #[track_caller]
    pub fn is(&self, status: u16) -> &Self {
        assert_eq!(self.status, status, "{:?}\n{}", self.headers, self.text());
        self
    }

    /// 303 to a place that starts like this.
    #[track_caller]
    pub fn leads_to(&self, start: &str) -> &Self {
        self.is(303);
        assert!(self.location().starts_with(start), "{} leads to {}, not {start}", self.status, self.location());
        self
    }
}

/// A connection.
pub struct Wire {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Wire {
    /// Connects from an address of the loopback network.
    pub async fn open(to: SocketAddr, from: IpAddr) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::new(from, 0)).unwrap();
        let stream = soon(socket.connect(to)).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, buffer: Vec::new() }
    }

    pub async fn send(&mut self, bytes: &[u8]) {
        // A gateway that refuses early may close before all is written; its answer says more than the error would.
        let _ = soon(self.stream.write_all(bytes)).await;
    }

    async fn more(&mut self) -> bool {
        let mut chunk = [0; 16 * 1024];
        match soon(self.stream.read(&mut chunk)).await {
            Ok(0) | Err(_) => false,
            Ok(n) => {
                self.buffer.extend_from_slice(&chunk[..n]);
                true
            }
        }
    }

    /// The bytes up to and with `mark`; `None` at the end of the stream.
    pub async fn until(&mut self, mark: &[u8]) -> Option<Vec<u8>> {
        loop {
            if let Some(at) = self.buffer.windows(mark.len()).position(|w| w == mark) {
                return Some(self.buffer.drain(..at + mark.len()).collect());
            }
            if !self.more().await {
                return None;
            }
        }
    }

    pub async fn exactly(&mut self, count: usize) -> Option<Vec<u8>> {
        while self.buffer.len() < count {
            if !self.more().await {
                return None;
            }
        }
        Some(self.buffer.drain(..count).collect())
    }

    pub async fn rest(&mut self) -> Vec<u8> {
        while self.more().await {}
        std::mem::take(&mut self.buffer)
    }

    /// What comes within a moment; if nothing does, that is what was hoped for.
    pub async fn rest_within_reason(&mut self) -> Vec<u8> {
        let _ = tokio::time::timeout(Duration::from_millis(300), async { while self.more().await {} }).await;
        std::mem::take(&mut self.buffer)
    }

    /// Status and headers; `None` where the connection ended without an answer.
    pub async fn head(&mut self) -> Option<Answer> {
        let head = String::from_utf8_lossy(&self.until(b"\r\n\r\n").await?).into_owned();
        let mut lines = head.trim_end().split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|code| code.parse().ok()).unwrap_or_default();
        let pair = |line: &str| line.split_once(':').map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()));
        Some(Answer { status, headers: lines.filter_map(pair).collect(), body: Vec::new() })
    }

    /// A whole answer to a request of this method.
    pub async fn answer(&mut self, method: &str) -> Option<Answer> {
        let mut answer = self.head().await?;
        if answer.status == 100 {
            answer = self.head().await?;
        }
        if method == "HEAD" || matches!(answer.status, 101 | 204 | 304) {
            return Some(answer);
        }
        answer.body = if answer.header("transfer-encoding").is_some_and(|v| v.eq_ignore_ascii_case("chunked")) {
            self.chunks().await?
        } else if let Some(length) = answer.header("content-length") {
            self.exactly(length.parse().unwrap()).await?
        } else {
            self.rest().await
        };
        Some(answer)
    }

    /// One chunk; empty at the end.
    pub async fn chunk(&mut self) -> Option<Vec<u8>> {
        let line = String::from_utf8(self.until(b"\r\n").await?).unwrap();
        let size = usize::from_str_radix(line.trim().split(';').next()?, 16).unwrap();
        let data = self.exactly(size).await?;
        self.until(b"\r\n").await?;
        Some(data)
    }

    async fn chunks(&mut self) -> Option<Vec<u8>> {
        let mut all = Vec::new();
        loop {
            let chunk = self.chunk().await?;
            if chunk.is_empty() {
                return Some(all);
            }
            all.extend(chunk);
        }
    }

    /// Sends a masked text frame (RFC 6455 section 5.2).
    pub async fn say(&mut self, text: &str) {
        assert!(text.len() < 126);
        let mask = [1, 2, 3, 4];
        let mut frame = vec![0x81, 0x80 | text.len() as u8];
        frame.extend(mask);
        frame.extend(text.bytes().zip(mask.iter().cycle()).map(|(b, m)| b ^ m));
        self.send(&frame).await;
    }

    /// The next text frame; `None` where the tunnel was cut.
    pub async fn hear(&mut self) -> Option<String> {
        let head = self.exactly(2).await?;
        assert_eq!(head[0], 0x81, "a text frame");
        Some(String::from_utf8(self.exactly(usize::from(head[1])).await?).unwrap())
    }
}

/// Whatever is awaited comes soon, or the test fails.
pub async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("it took too long")
}
