//! Databases in memory. A field that is there in another form than any maker writes is as good as absent.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use maxminddb::{PathElement, Reader, WithinOptions};

use super::origin::{Country, Knows, Origin};

/// How many records are looked at to find out what a database can tell.
const SAMPLE: usize = 1000;

/// Why a database cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}: {why}", file.display())]
pub struct GeoError {
    pub file: PathBuf,
    pub why: String,
}

/// A set of databases; never changed, only replaced.
#[derive(Debug)]
pub struct Databases {
    readers: Vec<Reader<Vec<u8>>>,
    generation: u64,
}

impl Databases {
    pub fn open(files: &[PathBuf]) -> Result<Self, GeoError> {
        static GENERATIONS: AtomicU64 = AtomicU64::new(0);
        let readers = files.iter().map(|file| read(file)).collect::<Result<_, _>>()?;
        Ok(Self { readers, generation: GENERATIONS.fetch_add(1, Ordering::Relaxed) })
    }

    /// A number that no other set has.
    pub const fn generation(&self) -> u64 {
        self.generation
    }

    /// The first database that knows counts, for each of the two.
    pub fn origin(&self, address: IpAddr) -> Origin {
        self.readers
            .iter()
            .map(|reader| look_up(reader, address))
            .fold(Origin::default(), |so_far, more| Origin { country: so_far.country.or(more.country), asn: so_far.asn.or(more.asn) })
    }

    pub fn knows(&self) -> Knows {
        let mut knows = Knows::default();
        for reader in &self.readers {
            let found = sample(reader).unwrap_or_default();
            knows = Knows { countries: knows.countries || found.countries, asns: knows.asns || found.asns };
        }
        knows
    }
}

/// Reads one file and looks at some of its records. One that is cut short has lost its end, where its description stands.
fn read(file: &Path) -> Result<Reader<Vec<u8>>, GeoError> {
    let fault = |why: String| GeoError { file: file.to_owned(), why };
    let bytes = std::fs::read(file).map_err(|e| fault(e.to_string()))?;
    let reader = Reader::from_source(bytes).map_err(|e| fault(format!("not a database in MaxMind's format: {e}")))?;
    sample(&reader).map_err(|e| fault(format!("a damaged database: {e}")))?;
    Ok(reader)
}

/// What the first records have.
fn sample(reader: &Reader<Vec<u8>>) -> Result<Knows, maxminddb::MaxMindDbError> {
    let mut knows = Knows::default();
    for found in reader.networks(WithinOptions::default())?.take(SAMPLE) {
        let origin = of(&found?);
        knows.countries |= origin.country.is_some();
        knows.asns |= origin.asn.is_some();
    }
    Ok(knows)
}

fn look_up(reader: &Reader<Vec<u8>>, address: IpAddr) -> Origin {
    reader.lookup(address).map_or_else(|_| Origin::default(), |found| of(&found))
}

/// MaxMind's names, and those of the other makers. `registered_country` is where the network is registered, not where it is.
fn of(found: &maxminddb::LookupResult<'_, Vec<u8>>) -> Origin {
    let text = |path: &[PathElement<'_>]| found.decode_path::<String>(path).ok().flatten();
    let number = |path: &[PathElement<'_>]| found.decode_path::<u32>(path).ok().flatten();
    let (country, code) = (PathElement::Key("country"), PathElement::Key("country_code"));
    let country = text(&[country.clone(), PathElement::Key("iso_code")]).or_else(|| text(&[code])).or_else(|| text(&[country]));
    let (system, asn) = (PathElement::Key("autonomous_system_number"), PathElement::Key("asn"));
    let asn = number(std::slice::from_ref(&system)).or_else(|| number(std::slice::from_ref(&asn))).or_else(|| as_number(&text(&[asn])?));
    Origin { country: country.and_then(|code| Country::parse(&code)), asn }
}

/// `AS64500` or `64500`.
fn as_number(text: &str) -> Option<u32> {
    text.strip_prefix("AS").unwrap_or(text).parse().ok()
}
