//! An access log in JSON, read line by line: plain or gzip, however long, in bounded memory. Lines of other kinds are counted and passed
//! over.

use std::borrow::Cow;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use anyhow::Context as _;
use serde::Deserialize;

/// No line of ours is longer: a path has 8 KiB at most, and each byte of it six characters at most.
const LONGEST: u64 = 256 * 1024;

/// A request, as far as it is asked again.
#[derive(Deserialize, Debug)]
pub struct Line<'l> {
    #[serde(borrow)]
    pub timestamp: Option<Cow<'l, str>>,
    #[serde(borrow)]
    pub target: Cow<'l, str>,
    #[serde(borrow)]
    pub client: Option<Cow<'l, str>>,
    #[serde(borrow)]
    pub method: Cow<'l, str>,
    #[serde(borrow)]
    pub host: Option<Cow<'l, str>>,
    #[serde(borrow)]
    pub path: Cow<'l, str>,
    #[serde(borrow)]
    pub user: Option<Cow<'l, str>>,
    /// The subject of a client certificate that counted.
    #[serde(borrow, default)]
    pub certificate: Option<Cow<'l, str>>,
}

/// Shows every line of a file to `see`; `None`: it is no request.
///
/// # Errors
/// A file that cannot be read, or that is no gzip after all.
pub fn each(file: &Path, mut see: impl FnMut(Option<&Line<'_>>)) -> anyhow::Result<()> {
    let failed = || format!("{} cannot be read", file.display());
    let mut reader = open(file).with_context(failed)?;
    let mut buffer = Vec::new();
    loop {
        buffer.clear();
        if reader.by_ref().take(LONGEST).read_until(b'\n', &mut buffer).with_context(failed)? == 0 {
            return Ok(());
        }
        if buffer.last() != Some(&b'\n') && buffer.len() as u64 == LONGEST {
            skip_line(&mut reader).with_context(failed)?;
            see(None);
            continue;
        }
        let line: Option<Line<'_>> = serde_json::from_slice(&buffer).ok();
        if !buffer.trim_ascii().is_empty() {
            see(line.as_ref().filter(|line| line.target == "access"));
        }
    }
}

fn open(file: &Path) -> std::io::Result<Box<dyn BufRead>> {
    let raw: Box<dyn Read> = if file == Path::new("-") { Box::new(std::io::stdin()) } else { Box::new(std::fs::File::open(file)?) };
    let mut raw = BufReader::with_capacity(1 << 16, raw);
    let gzip = raw.fill_buf()?.starts_with(&[0x1f, 0x8b]);
    Ok(if gzip { Box::new(BufReader::with_capacity(1 << 16, flate2::read::MultiGzDecoder::new(raw))) } else { Box::new(raw) })
}

fn skip_line(reader: &mut dyn BufRead) -> std::io::Result<()> {
    loop {
        let (length, ended) = {
            let chunk = reader.fill_buf()?;
            match chunk.iter().position(|byte| *byte == b'\n') {
                Some(at) => (at + 1, true),
                None => (chunk.len(), chunk.is_empty()),
            }
        };
        reader.consume(length);
        if ended {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn read(bytes: &[u8]) -> (Vec<String>, usize) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("log");
        std::fs::write(&file, bytes).unwrap();
        let (mut paths, mut other) = (Vec::new(), 0);
        each(&file, |line| match line {
            Some(line) => paths.push(line.path.to_string()),
            None => other += 1,
        })
        .unwrap();
        (paths, other)
    }

    fn line(path: &str) -> String {
        format!("{{\"timestamp\":\"2026-01-01T00:00:00Z\",\"method\":\"GET\",\"host\":\"a\",\"path\":{path:?},\"target\":\"access\"}}\n")
    }

    #[test]
    fn lines_of_other_kinds_and_endless_ones_are_passed_over() {
        let endless = "x".repeat(3 * LONGEST as usize);
        let text =
            format!("{}not json\n{{\"target\":\"vestibule\"}}\n\n{endless}\n{}{}", line("/a"), line("/b"), line("/c\\u00e9").trim_end());
        assert_eq!(read(text.as_bytes()), (vec!["/a".into(), "/b".into(), "/c\\u00e9".into()], 3));
    }

    #[test]
    fn gzip_in_several_members_is_read() {
        let pack = |text: &str| {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(text.as_bytes()).unwrap();
            encoder.finish().unwrap()
        };
        let both = [pack(&line("/a")), pack(&line("/b"))].concat();
        assert_eq!(read(&both).0, ["/a", "/b"]);
    }
}
