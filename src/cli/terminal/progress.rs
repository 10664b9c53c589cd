//! A line on the terminal that says how far a command is, written over each time and gone at the end. Nothing is written where
//! standard error is no terminal.

use std::cell::Cell;
use std::io::{IsTerminal, Write};

use crate::service::import::Progress;

pub struct Line {
    terminal: bool,
    /// How many characters stand there.
    shown: Cell<usize>,
}

impl Line {
    pub fn on_stderr() -> Self {
        Self { terminal: std::io::stderr().is_terminal(), shown: Cell::new(0) }
    }

    pub const fn is_terminal(&self) -> bool {
        self.terminal
    }

    pub fn show(&self, progress: Progress) {
        if self.terminal {
            let text = progress.to_string();
            over(&text, self.shown.replace(text.chars().count()), "");
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if self.shown.get() > 0 {
            over("", self.shown.get(), "\r");
        }
    }
}

/// No wider than what stands there, so that a narrow terminal does not break the line. A terminal that has gone is no reason to stop.
fn over(text: &str, before: usize, end: &str) {
    let mut out = std::io::stderr().lock();
    let _ = write!(out, "\r{text:<before$}{end}").and_then(|()| out.flush());
}
