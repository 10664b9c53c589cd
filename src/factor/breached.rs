//! Passwords that became known in breaches: an own file of SHA-1 digests, looked up on the disk, and the answers of a range API, which
//! learns five characters of a digest and nothing of the password (k-anonymity). (NIST SP 800-63B-4 section 3.1.1.2; OWASP ASVS 6.2.12.)

use std::cmp::Ordering;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use sha1::{Digest as _, Sha1};
use zeroize::Zeroizing;

use crate::base::Secret;

/// Hexadecimal digits of a SHA-1 digest.
const DIGITS: usize = 40;
/// How many of them a range API is told.
const TOLD: usize = 5;
/// The longest line of a file: digits, a colon, a count, an end of line.
const MAX_LINE: usize = 80;

/// A password's digest, in upper case as the lists have it.
pub struct Digest(Zeroizing<String>);

impl Digest {
    pub fn of(password: &Secret) -> Self {
        Self(Zeroizing::new(data_encoding::HEXUPPER.encode(&Sha1::digest(password.expose().as_bytes()))))
    }

    /// What a range API is told.
    pub fn prefix(&self) -> &str {
        self.0.get(..TOLD).unwrap_or_default()
    }

    /// Whether a range API's answer names the rest. Lines with a count of zero are padding.
    pub fn is_in_range(&self, answer: &str) -> bool {
        let rest = self.0.get(TOLD..).unwrap_or_default();
        answer
            .lines()
            .filter_map(|line| line.trim().split_once(':'))
            .any(|(suffix, count)| suffix.eq_ignore_ascii_case(rest) && count.trim() != "0" && !count.trim().is_empty())
    }

    /// Whether a sorted file of digests, one a line and perhaps with `:count` behind, has this one. Reads some thirty lines of the largest.
    ///
    /// # Errors
    /// The file cannot be read, or a line of it is no digest.
    pub fn is_in(&self, file: &Path) -> io::Result<bool> {
        let list = File::open(file)?;
        let (mut low, mut high) = (0, list.metadata()?.len());
        // Invariant: if the digest is there, its line begins at `low` or later, and before `high`.
        while low < high {
            let middle = low + (high - low) / 2;
            let Some((start, line)) = line_from(&list, middle, low, high)? else {
                high = middle;
                continue;
            };
            match digits(&line)?.cmp(self.0.as_bytes()) {
                Ordering::Equal => return Ok(true),
                Ordering::Less => low = start + line.len() as u64,
                Ordering::Greater => high = if start > middle { middle } else { start },
            }
        }
        Ok(false)
    }
}

/// The first line that begins at `at` or later (or at `low`, if that is `at`) and before `high`, with its end.
fn line_from(list: &File, at: u64, low: u64, high: u64) -> io::Result<Option<(u64, Vec<u8>)>> {
    let start = if at == low { at } else { after_line_end(list, at - 1)? };
    if start >= high {
        return Ok(None);
    }
    let bytes = read(list, start)?;
    let end = bytes.iter().position(|b| *b == b'\n').map_or(bytes.len(), |end| end + 1);
    Ok(Some((start, bytes.get(..end).unwrap_or_default().to_vec())))
}

/// Where the line after the one that holds the byte at `at` begins.
fn after_line_end(list: &File, at: u64) -> io::Result<u64> {
    let bytes = read(list, at)?;
    let end = bytes.iter().position(|b| *b == b'\n').map_or(bytes.len(), |end| end + 1);
    Ok(at + end as u64)
}

fn read(list: &File, at: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; MAX_LINE];
    let mut length = 0;
    while let Some(rest) = bytes.get_mut(length..).filter(|rest| !rest.is_empty()) {
        match list.read_at(rest, at + length as u64)? {
            0 => break,
            count => length += count,
        }
    }
    bytes.truncate(length);
    Ok(bytes)
}

/// The digest of a line.
fn digits(line: &[u8]) -> io::Result<&[u8]> {
    let (digits, rest) = line.split_at_checked(DIGITS).ok_or_else(malformed)?;
    let is_digest = digits.iter().all(|b| b.is_ascii_digit() || (b'A'..=b'F').contains(b));
    if is_digest && matches!(rest.first(), None | Some(b':' | b'\r' | b'\n')) { Ok(digits) } else { Err(malformed()) }
}

fn malformed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "a line is no SHA-1 digest in upper case; the file must be sorted by digest")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn digest(password: &str) -> Digest {
        Digest::of(&Secret::new(password))
    }

    #[test]
    fn a_range_answer_names_the_rest_unless_it_is_padding() {
        let digest = digest("password");
        assert_eq!((digest.prefix(), &digest.0[TOLD..]), ("5BAA6", "1E4C9B93F3F0682250B6CF8331B7EE68FD8"));
        assert!(digest.is_in_range("003D68EB55068C33ACE09247EE4C639306B:3\r\n1E4C9B93F3F0682250B6CF8331B7EE68FD8:9659365\r\n"));
        assert!(digest.is_in_range("1e4c9b93f3f0682250b6cf8331b7ee68fd8:2"));
        for answer in [
            "",
            "1E4C9B93F3F0682250B6CF8331B7EE68FD8:0",
            "1E4C9B93F3F0682250B6CF8331B7EE68FD8",
            "1E4C9B93F3F0682250B6CF8331B7EE68FD:4",
            "<html>",
        ] {
            assert!(!digest.is_in_range(answer), "{answer}");
        }
    }

    #[test]
    fn a_file_that_is_no_list_is_an_error_and_not_an_answer() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("list.txt");
        assert!(digest("a").is_in(&file).is_err());
        for text in ["password\n", "5baa61e4c9b93f3f0682250b6cf8331b7ee68fd8\n", "5BAA61E4C9B93F3F0682250B6CF8331B7EE68FD8x\n"] {
            std::fs::write(&file, text).unwrap();
            assert!(digest("password").is_in(&file).is_err(), "{text}");
        }
        std::fs::write(&file, "").unwrap();
        assert!(!digest("password").is_in(&file).unwrap());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn a_sorted_file_has_exactly_its_own_digests(
            passwords in prop::collection::btree_set("[a-z]{1,6}", 0..60),
            others in prop::collection::vec("[a-z]{1,6}", 0..20),
            ends in prop::sample::select(vec!["\n", "\r\n"]),
            counts in any::<bool>(),
            last in any::<bool>(),
        ) {
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("list.txt");
            let mut lines: Vec<String> = passwords.iter().map(|password| digest(password).0.to_string()).collect();
            lines.sort();
            let text: Vec<String> = lines.iter().enumerate().map(|(n, line)| if counts { format!("{line}:{}", n * n * 7919) } else { line.clone() }).collect();
            let end = if last { ends } else { "" };
            std::fs::write(&file, text.join(ends) + if text.is_empty() { "" } else { end }).unwrap();
            for password in passwords.iter().chain(&others) {
                prop_assert_eq!(digest(password).is_in(&file).unwrap(), passwords.contains(password), "{}", password);
            }
        }
    }
}
