//! A request's place in a trace (W3C Trace Context, Recommendation of 23 November 2021): what `traceparent` says, and what goes on.
//! Guarantees that ids are random or well-formed, and never all zero.

use std::fmt::Write;
use std::time::Duration;

use super::random;

/// 16 and 8 random bytes (section 3.2.2.3 and 3.2.2.4).
pub type TraceId = [u8; 16];
pub type SpanId = [u8; 8];

/// Where a request comes from, as a proxy in front says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Parent {
    trace: TraceId,
    span: SpanId,
    sampled: bool,
}

/// The spans of one request: its own, and the one of its way to the upstream.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Trace {
    pub id: TraceId,
    /// The span in front, where a trusted proxy named one.
    pub parent: Option<SpanId>,
    pub server: SpanId,
    pub client: SpanId,
    /// Whether it is exported; told to the upstream.
    pub sampled: bool,
    /// How long after its beginning the request went on to the upstream.
    pub upstream_after: Option<Duration>,
}

fn hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let lower = text.len() == N * 2 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    let decoded = lower && data_encoding::HEXLOWER.decode_mut(text.as_bytes(), &mut bytes).is_ok();
    decoded.then_some(bytes)
}

fn named<const N: usize>(text: &str) -> Option<[u8; N]> {
    hex(text).filter(|bytes| *bytes != [0; N])
}

impl Parent {
    /// Reads a `traceparent` (section 3.2); `None` for what is malformed, which starts a new trace (section 3.2.4).
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let [version] = hex::<1>(parts.next()?)?;
        let (trace, span) = (named(parts.next()?)?, named(parts.next()?)?);
        let [flags] = hex::<1>(parts.next()?)?;
        // A later version may say more; this one may not.
        let known = version != 0xff && (version > 0 || parts.next().is_none());
        known.then_some(Self { trace, span, sampled: flags & 1 == 1 })
    }
}

impl Trace {
    /// Goes on from a parent, whose sampling it keeps, or begins again: then `ratio` of all traces are sampled, which by the trace's id alone, so
    /// that every gateway that meets it decides alike. `None` where the system gives no random bytes.
    pub fn begin(parent: Option<Parent>, ratio: f64) -> Option<Self> {
        let id = match parent {
            Some(parent) => parent.trace,
            None => some_id()?,
        };
        let sampled = parent.map_or_else(|| is_sampled(&id, ratio), |parent| parent.sampled);
        Some(Self { id, parent: parent.map(|p| p.span), server: some_id()?, client: some_id()?, sampled, upstream_after: None })
    }

    /// The `traceparent` for the upstream.
    pub fn outgoing(&self) -> String {
        let mut text = String::with_capacity(55);
        let (id, span) = (data_encoding::HEXLOWER.encode(&self.id), data_encoding::HEXLOWER.encode(&self.client));
        let _ = write!(text, "00-{id}-{span}-0{}", u8::from(self.sampled));
        text
    }
}

fn some_id<const N: usize>() -> Option<[u8; N]> {
    random::bytes().ok().filter(|bytes| *bytes != [0; N])
}

/// By the last eight bytes, which section 3.2.2.3 wants random.
fn is_sampled(id: &TraceId, ratio: f64) -> bool {
    let (_, tail) = id.split_at(8);
    let number = tail.iter().fold(0u64, |number, byte| number << 8 | u64::from(*byte));
    // The 53 bits that a fraction holds exactly.
    ratio >= 1.0 || ((number >> 11) as f64) < ratio * (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn the_recommendations_own_examples_are_read() {
        let parent = Parent::parse(GOOD).unwrap();
        let trace = Trace::begin(Some(parent), 0.0).unwrap();
        assert!(trace.sampled && trace.parent == Some(parent.span) && trace.id == parent.trace);
        assert!(trace.outgoing().starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-") && trace.outgoing().ends_with("-01"));
        assert!(!trace.outgoing().contains("00f067aa0ba902b7"), "the upstream's parent is our span");
        let quiet = Parent::parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00").unwrap();
        assert!(Trace::begin(Some(quiet), 1.0).unwrap().outgoing().ends_with("-00"));
        assert!(Parent::parse("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what-comes-later").is_some());
        for bad in [
            "",
            "00",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1",
        ] {
            assert_eq!(Parent::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_part_of_the_traces_is_sampled() {
        let count = |ratio| (0..4000).filter(|_| Trace::begin(None, ratio).unwrap().sampled).count();
        assert_eq!((count(0.0), count(1.0)), (0, 4000));
        let quarter = count(0.25);
        assert!((800..1200).contains(&quarter), "{quarter}");
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic_and_what_is_written_is_read(text in ".{0,80}", id in any::<[u8; 16]>(), span in any::<[u8; 8]>()) {
            let _ = Parent::parse(&text);
            let trace = Trace { id, parent: None, server: [1; 8], client: span, sampled: true, upstream_after: None };
            let read = Parent::parse(&trace.outgoing());
            prop_assert_eq!(read.is_some(), id != [0; 16] && span != [0; 8]);
        }
    }
}
