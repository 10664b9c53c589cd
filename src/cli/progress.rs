//! A line on the terminal that says how far a command is, written over each time and gone at the end. Nothing is written where
//! standard error is no terminal.

use std::cell::Cell;
use std::io::{IsTerminal, Write};

use crate::service::import::Progress;

/// Wider than any text of [`Progress`].
const WIDTH: usize = 64;

pub struct Line {
    terminal: bool,
    shown: Cell<bool>,
}

impl Line {
    pub fn on_stderr() -> Self {
        Self { terminal: std::io::stderr().is_terminal(), shown: Cell::new(false) }
    }

    pub const fn is_terminal(&self) -> bool {
        self.terminal
    }

    pub fn show(&self, progress: Progress) {
        if self.terminal {
            self.shown.set(true);
            over(&progress.to_string(), "");
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if self.shown.get() {
            over("", "\r");
        }
    }
}

/// A terminal that has gone is no reason to stop.
fn over(text: &str, end: &str) {
    let mut out = std::io::stderr().lock();
    let _ = write!(out, "\r{text:<WIDTH$}{end}").and_then(|()| out.flush());
}
