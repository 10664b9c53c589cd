//! The form of an export, line by line: written and read without being held as a whole.
//!
//! One JSON object per line: first a header `{"format":"vestibule-store","version":1,"created":TIME,"records":N}`, then `{"k":…,"v":…}` for
//! each pair (base64) in the order of the keys, all from one moment, and last `{"sha256":HEX}` of every byte before that line.

use std::io::{BufRead, Write};

use data_encoding::{BASE64, HEXLOWER};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::refusal::ImportError;
use crate::base::Time;
use crate::store::StoreError;
use crate::store::kv::{Pair, Sink};

const FORMAT: &str = "vestibule-store";
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Header {
    format: String,
    version: u32,
    created: String,
    records: usize,
}

#[derive(Serialize, Deserialize)]
struct Line {
    k: String,
    v: String,
}

#[derive(Serialize, Deserialize)]
struct Trailer {
    sha256: String,
}

/// Writes an export.
pub struct Writer<W> {
    out: W,
    now: Time,
    hash: Sha256,
    records: usize,
}

impl<W: Write> Writer<W> {
    pub fn new(out: W, now: Time) -> Self {
        Self { out, now, hash: Sha256::new(), records: 0 }
    }

    fn line(&mut self, line: &impl Serialize) -> Result<(), StoreError> {
        let mut text = serde_json::to_vec(line).map_err(|e| StoreError::Record(e.to_string()))?;
        text.push(b'\n');
        self.hash.update(&text);
        self.out.write_all(&text).map_err(unwritten)
    }

    /// Writes the last line; how many records there are.
    ///
    /// # Errors
    /// The output's.
    pub fn finish(&mut self) -> Result<usize, StoreError> {
        let sha256 = HEXLOWER.encode(&std::mem::take(&mut self.hash).finalize());
        self.line(&Trailer { sha256 })?;
        self.out.flush().map_err(unwritten)?;
        Ok(self.records)
    }

    /// What it was written to.
    pub fn into_inner(self) -> W {
        self.out
    }
}

fn unwritten(e: std::io::Error) -> StoreError {
    StoreError::Backend(format!("the export cannot be written: {e}"))
}

impl<W: Write + Send> Sink for Writer<W> {
    fn begins(&mut self, records: usize) -> Result<(), StoreError> {
        self.records = records;
        self.line(&Header { format: FORMAT.to_owned(), version: VERSION, created: self.now.rfc3339(), records })
    }

    fn takes(&mut self, pairs: Vec<Pair>) -> Result<(), StoreError> {
        pairs.iter().try_for_each(|(key, value)| self.line(&Line { k: BASE64.encode(key), v: BASE64.encode(value) }))
    }
}

/// Reads an export. Nothing that it gave is to be believed before it came to its end.
pub struct Reader<R> {
    lines: R,
    hash: Sha256,
    records: usize,
    seen: usize,
    /// The first line that is not what stands there.
    malformed: Option<usize>,
}

impl<R: BufRead> Reader<R> {
    /// # Errors
    /// [`ImportError`].
    pub fn open(lines: R) -> Result<Self, ImportError> {
        let mut reader = Self { lines, hash: Sha256::new(), records: 0, seen: 0, malformed: None };
        let line = reader.read()?.ok_or(ImportError::Malformed(1, "a header and a trailer"))?;
        let header = serde_json::from_str::<Header>(&line).ok().filter(|header| header.format == FORMAT);
        let header = header.ok_or(ImportError::Malformed(1, "a header"))?;
        if header.version != VERSION {
            return Err(ImportError::Version(header.version));
        }
        reader.hash.update(&line);
        reader.records = header.records;
        Ok(reader)
    }

    fn read(&mut self) -> Result<Option<String>, ImportError> {
        let mut line = String::new();
        match self.lines.read_line(&mut line) {
            Ok(0) => Ok(None),
            Ok(_) => Ok(Some(line)),
            Err(e) if e.kind() == std::io::ErrorKind::InvalidData => Err(ImportError::Checksum),
            Err(e) => Err(ImportError::Store(StoreError::Backend(format!("the file cannot be read: {e}")))),
        }
    }

    /// The next pair; `None` at the end, which is there only if the checksum is right and every line was.
    ///
    /// # Errors
    /// [`ImportError`].
    pub fn next_pair(&mut self) -> Result<Option<Pair>, ImportError> {
        loop {
            let line = self.read()?.ok_or(ImportError::Checksum)?;
            if line.starts_with("{\"sha256\"") {
                return self.end(&line).map(|()| None);
            }
            self.hash.update(&line);
            self.seen += 1;
            match pair(&line) {
                Some(pair) => return Ok(Some(pair)),
                // The checksum comes first: a file that was cut or changed is that.
                None => drop(self.malformed.get_or_insert(self.seen + 1)),
            }
        }
    }

    fn end(&mut self, line: &str) -> Result<(), ImportError> {
        let trailer: Trailer = serde_json::from_str(line).map_err(|_| ImportError::Checksum)?;
        let is_last = self.read()?.is_none();
        if !is_last || HEXLOWER.encode(&std::mem::take(&mut self.hash).finalize()) != trailer.sha256 {
            return Err(ImportError::Checksum);
        }
        if let Some(at) = self.malformed {
            return Err(ImportError::Malformed(at, "a key and a value"));
        }
        if self.seen == self.records { Ok(()) } else { Err(ImportError::Checksum) }
    }
}

fn pair(line: &str) -> Option<Pair> {
    let line: Line = serde_json::from_str(line).ok()?;
    Some((BASE64.decode(line.k.as_bytes()).ok()?, BASE64.decode(line.v.as_bytes()).ok()?))
}

/// The pair with this key, from lines whose checksum nobody has looked at. Nothing is taken apart but its line.
pub(in crate::service) fn find(lines: &mut dyn BufRead, key: &[u8]) -> Option<Pair> {
    let (wanted, mut line) = (format!("{{\"k\":\"{}\"", BASE64.encode(key)), String::new());
    while lines.read_line(&mut line).ok()? > 0 {
        if line.starts_with(&wanted) {
            return pair(&line);
        }
        line.clear();
    }
    None
}

/// An export of these pairs, line ends included.
pub fn write(pairs: &[Pair], now: Time) -> Result<String, StoreError> {
    let mut writer = Writer::new(Vec::new(), now);
    writer.begins(pairs.len())?;
    writer.takes(pairs.to_vec())?;
    writer.finish()?;
    String::from_utf8(writer.into_inner()).map_err(|e| StoreError::Record(e.to_string()))
}

/// The pairs in an export. The checksum is verified before anything is believed.
///
/// # Errors
/// [`ImportError`].
pub fn read(text: &str) -> Result<Vec<Pair>, ImportError> {
    let (mut reader, mut pairs) = (Reader::open(text.as_bytes())?, Vec::new());
    while let Some(pair) = reader.next_pair()? {
        pairs.push(pair);
    }
    Ok(pairs)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_cut_or_changed_is_refused() {
        let pairs: Vec<Pair> = vec![(b"a".to_vec(), b"1".to_vec()), (b"b/\xff".to_vec(), vec![])];
        let text = write(&pairs, Time::default()).unwrap();
        assert_eq!(read(&text).unwrap(), pairs);
        let lines: Vec<&str> = text.lines().collect();
        for broken in [
            lines[..3].join("\n"),
            [lines[0], lines[2], lines[3]].join("\n"),
            [lines[0], lines[2], lines[1], lines[3]].join("\n"),
            text.replacen("YQ==", "Yg==", 1),
            text.clone() + &text,
            format!("{text}{}\n", lines[3]),
            String::new(),
            "{}\n{}".to_owned(),
        ] {
            assert!(read(&broken).is_err(), "{broken}");
        }
        let broken = read(&text.replacen("YQ==", "!!!!", 1));
        assert!(matches!(broken, Err(ImportError::Checksum)), "{broken:?}");
    }

    proptest! {
        #[test]
        fn every_pair_comes_back(pairs in proptest::collection::vec((any::<Vec<u8>>(), any::<Vec<u8>>()), 0..8)) {
            let text = write(&pairs, Time::default()).unwrap();
            for (key, _) in &pairs {
                prop_assert_eq!(find(&mut text.as_bytes(), key), pairs.iter().find(|pair| pair.0 == *key).cloned());
            }
            prop_assert_eq!(read(&text).unwrap(), pairs);
        }

        #[test]
        fn no_text_makes_it_panic(text in "(.|\n){0,200}") {
            let _ = read(&text);
        }
    }
}
