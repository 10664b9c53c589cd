//! Whether bytes are a PNG and nothing beside it (PNG third edition, section 5): whole chunks, a sane size, nothing after the end.

pub(super) const SIGNATURE: [u8; 8] = *b"\x89PNG\r\n\x1a\n";

/// Bytes.
const MOST: usize = 256 * 1024;
/// Pixels on a side: what is unpacked in a browser has a bound too.
const WIDEST: u32 = 2048;
/// How many chunks a logo has at most; exporters write one to some dozens.
const CHUNKS: usize = 1024;

/// # Errors
/// What is wrong, and what to do.
pub(super) fn check(bytes: &[u8]) -> Result<(), (String, &'static str)> {
    if bytes.len() > MOST {
        return Err(("is larger than 256 KiB".into(), "export it smaller: 400 pixels wide are plenty"));
    }
    let broken = |what: &str| (format!("is not a whole PNG: {what}"), "export it again as PNG");
    let mut rest = bytes.strip_prefix(&SIGNATURE).ok_or_else(|| broken("the signature is missing"))?;
    for n in 0..CHUNKS {
        let (kind, data, after) = chunk(rest).ok_or_else(|| broken("a chunk is cut off"))?;
        if (n == 0) != (kind == b"IHDR") {
            return Err(broken("the header is not at the beginning"));
        }
        if n == 0 {
            size(data)
                .map_err(|(width, height)| (format!("is {width} by {height} pixels"), "export it with at most 2048 pixels on a side"))?;
        }
        if kind == b"IEND" {
            return if after.is_empty() { Ok(()) } else { Err(broken("something stands after its end")) };
        }
        rest = after;
    }
    Err(broken("it has too many chunks"))
}

/// Kind, data, and what comes after: a length, four letters, the data, a checksum.
fn chunk(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (kind, rest) = rest.split_at_checked(4)?;
    let (data, rest) = rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
    let (_, after) = rest.split_at_checked(4)?;
    kind.iter().all(u8::is_ascii_alphabetic).then_some((kind, data, after))
}

fn size(header: &[u8]) -> Result<(), (u32, u32)> {
    let number = |at: usize| header.get(at..at + 4).and_then(|four| four.try_into().ok()).map_or(0, u32::from_be_bytes);
    let (width, height) = (number(0), number(4));
    let sane = 1..=WIDEST;
    if sane.contains(&width) && sane.contains(&height) { Ok(()) } else { Err((width, height)) }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    fn piece(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
        let length = u32::try_from(data.len()).unwrap().to_be_bytes();
        [&length[..], kind, data, &[0; 4]].concat()
    }

    /// Its structure alone: no browser would draw it.
    pub(in crate::config::brand) fn sample(width: u32, height: u32) -> Vec<u8> {
        let header = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[8, 6, 0, 0, 0]].concat();
        [&SIGNATURE[..], &piece(b"IHDR", &header), &piece(b"IDAT", b"x"), &piece(b"IEND", b"")].concat()
    }

    #[test]
    fn a_png_is_taken_and_nothing_that_only_begins_like_one() {
        assert_eq!(check(&sample(200, 40)), Ok(()));
        let whole = sample(200, 40);
        for end in 0..whole.len() {
            assert!(check(&whole[..end]).is_err(), "cut off at {end}");
        }
        let zipped = [&whole[..], b"PK\x03\x04<script>alert(1)</script>"].concat();
        for (bytes, what) in
            [(zipped, "after its end"), (sample(0, 1), "pixels"), (sample(1, 70_000), "pixels"), (vec![0; MOST + 1], "256 KiB")]
        {
            assert!(check(&bytes).unwrap_err().0.contains(what), "{what}");
        }
        let huge = [&SIGNATURE[..], &u32::MAX.to_be_bytes(), b"IHDR"].concat();
        assert!(check(&huge).is_err());
    }
}
