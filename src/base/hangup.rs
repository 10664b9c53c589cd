//! Whether the client of a request has hung up. Guarantees that whoever waits in a queue for it can leave, and that nothing which has begun is
//! stopped by it: a guess that was judged is counted.

use tokio::sync::watch;

/// Kept by whoever talks to the client; dropped, it counts as hung up.
#[derive(Debug)]
pub struct Line(watch::Sender<bool>);

/// What a use case knows of it.
#[derive(Clone, Debug)]
pub struct Hangup(Option<watch::Receiver<bool>>);

impl Line {
    pub fn open() -> (Self, Hangup) {
        let (line, hangup) = watch::channel(false);
        (Self(line), Hangup(Some(hangup)))
    }

    /// The client is gone.
    pub fn hung_up(&self) {
        self.0.send_replace(true);
    }
}

impl Hangup {
    /// A client that does not hang up.
    pub const fn never() -> Self {
        Self(None)
    }

    /// Waits for `turn` while the client is there; `None` if it hung up first.
    pub async fn unless<T>(&self, turn: impl Future<Output = T>) -> Option<T> {
        let Some(mut hangup) = self.0.clone() else { return Some(turn.await) };
        tokio::select! {
            biased;
            turn = turn => Some(turn),
            _ = hangup.wait_for(|hung_up| *hung_up) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_hangs_up_waits_no_longer() {
        assert_eq!(Hangup::never().unless(async { 1 }).await, Some(1));
        let (line, hangup) = Line::open();
        assert_eq!(hangup.unless(async { 1 }).await, Some(1));
        line.hung_up();
        assert_eq!(hangup.unless(std::future::pending::<()>()).await, None);
        let (line, hangup) = Line::open();
        drop(line);
        assert_eq!(hangup.unless(std::future::pending::<()>()).await, None);
    }
}
