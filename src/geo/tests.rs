//! Databases of several makers, written here: their format is MaxMind's (MaxMind DB file format specification, version 2.0).

use std::path::Path;

use std::time::SystemTime;

use super::*;

/// A value of the data section.
#[derive(Clone)]
pub enum Value {
    Text(&'static str),
    Number(u32),
    Map(Vec<(&'static str, Value)>),
}

use Value::{Map, Number, Text};

fn control(kind: u8, size: usize, out: &mut Vec<u8>) {
    let size = u8::try_from(size).unwrap();
    assert!(size < 29, "no longer sizes are needed here");
    out.push(if kind > 7 { size } else { kind << 5 | size });
    if kind > 7 {
        out.push(kind - 7);
    }
}

fn encode(value: &Value, out: &mut Vec<u8>) {
    match value {
        Text(text) => {
            control(2, text.len(), out);
            out.extend_from_slice(text.as_bytes());
        }
        Number(number) => {
            let bytes = number.to_be_bytes();
            let first = bytes.iter().position(|b| *b != 0).unwrap_or(4);
            control(6, 4 - first, out);
            out.extend_from_slice(&bytes[first..]);
        }
        Map(pairs) => {
            control(7, pairs.len(), out);
            for (key, value) in pairs {
                encode(&Text(key), out);
                encode(value, out);
            }
        }
    }
}

/// A database in which each IPv4 network, given as its first byte, has a record.
pub fn database(records: &[(u8, Value)]) -> Vec<u8> {
    let mut data = Vec::new();
    let mut nodes: Vec<[Option<usize>; 2]> = vec![[None, None]];
    let mut leaves: Vec<(usize, usize, usize)> = Vec::new();
    for (first, value) in records {
        let offset = data.len();
        encode(value, &mut data);
        let mut node = 0;
        for bit in (0..8).rev() {
            let side = usize::from(first >> bit & 1);
            if bit == 0 {
                leaves.push((node, side, offset));
            } else {
                let next = nodes[node][side].unwrap_or(nodes.len());
                if next == nodes.len() {
                    nodes.push([None, None]);
                }
                nodes[node][side] = Some(next);
                node = next;
            }
        }
    }
    let count = nodes.len();
    let mut records: Vec<[usize; 2]> = nodes.iter().map(|sides| sides.map(|side| side.unwrap_or(count))).collect();
    for (node, side, offset) in leaves {
        records[node][side] = count + 16 + offset;
    }
    let mut out: Vec<u8> = records.iter().flatten().flat_map(|record| u32::try_from(*record).unwrap().to_be_bytes()).collect();
    out.extend_from_slice(&[0; 16]);
    out.extend_from_slice(&data);
    out.extend_from_slice(b"\xab\xcd\xefMaxMind.com");
    metadata(count, &mut out);
    out
}

fn metadata(count: usize, out: &mut Vec<u8>) {
    let number = |value: usize| Number(u32::try_from(value).unwrap());
    let short = |kind: u8, value: u16, out: &mut Vec<u8>| {
        control(kind, 2, out);
        out.extend_from_slice(&value.to_be_bytes());
    };
    control(7, 9, out);
    for (key, value) in [("node_count", number(count)), ("database_type", Text("Test"))] {
        encode(&Text(key), out);
        encode(&value, out);
    }
    for (key, value) in [("record_size", 32), ("ip_version", 4), ("binary_format_major_version", 2), ("binary_format_minor_version", 0)] {
        encode(&Text(key), out);
        short(5, value, out);
    }
    encode(&Text("build_epoch"), out);
    control(9, 4, out);
    out.extend_from_slice(&1_700_000_000_u32.to_be_bytes());
    encode(&Text("languages"), out);
    control(11, 0, out);
    encode(&Text("description"), out);
    control(7, 0, out);
}

/// Countries as MaxMind writes them: 1.0.0.0/8 in Germany, 2.0.0.0/8 in France, registered in Germany.
pub fn countries(file: &Path) {
    let iso = |code| Map(vec![("iso_code", Text(code))]);
    let germany = Map(vec![("country", iso("DE"))]);
    let france = Map(vec![("registered_country", iso("DE")), ("country", iso("FR"))]);
    let registered = Map(vec![("registered_country", iso("DE"))]);
    std::fs::write(file, database(&[(1, germany), (2, france), (3, registered)])).unwrap();
}

/// Operators as MaxMind writes them: 1.0.0.0/8 is of AS64500.
pub fn operators(file: &Path) {
    std::fs::write(file, database(&[(1, Map(vec![("autonomous_system_number", Number(64500))]))])).unwrap();
}

fn found(geo: &Geo, address: &str) -> (Option<String>, Option<u32>) {
    let origin = geo.origin(address.parse().unwrap());
    (origin.country.map(|country| country.to_string()), origin.asn)
}

#[test]
fn several_databases_are_one_and_what_none_knows_is_nowhere() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (folder.path().join("country.mmdb"), folder.path().join("asn.mmdb"));
    countries(&first);
    operators(&second);
    let geo = Geo::open(vec![first, second]).unwrap();
    assert_eq!(found(&geo, "1.2.3.4"), (Some("DE".into()), Some(64500)));
    assert_eq!(found(&geo, "::ffff:1.2.3.4"), (Some("DE".into()), Some(64500)));
    assert_eq!(found(&geo, "2.2.3.4"), (Some("FR".into()), None), "where it is, not where it is registered");
    assert_eq!(found(&geo, "3.2.3.4"), (None, None));
    assert_eq!(found(&geo, "9.2.3.4"), (None, None));
    assert_eq!(found(&geo, "2001:db8::1"), (None, None));
    assert_eq!(geo.knows(), Knows { countries: true, asns: true });
}

#[test]
fn other_makers_names_are_understood() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("other.mmdb");
    let records = [
        (1, Map(vec![("country_code", Text("at")), ("asn", Text("AS64501"))])),
        (2, Map(vec![("country", Text("CH")), ("asn", Number(64502))])),
        (3, Map(vec![("country", Text("Switzerland")), ("asn", Text("none"))])),
    ];
    std::fs::write(&file, database(&records)).unwrap();
    let geo = Geo::open(vec![file]).unwrap();
    assert_eq!(found(&geo, "1.0.0.1"), (Some("AT".into()), Some(64501)));
    assert_eq!(found(&geo, "2.0.0.1"), (Some("CH".into()), Some(64502)));
    assert_eq!(found(&geo, "3.0.0.1"), (None, None));
}

#[test]
fn a_new_file_is_read_and_a_broken_one_leaves_the_last_good_one() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("asn.mmdb");
    operators(&file);
    let geo = Geo::open(vec![file.clone()]).unwrap();
    assert_eq!(found(&geo, "1.0.0.1").1, Some(64500));
    assert!(!geo.refresh().unwrap());
    let later = |seconds| {
        let time = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
        std::fs::File::options().append(true).open(&file).unwrap().set_modified(time).unwrap();
    };
    std::fs::write(&file, database(&[(1, Map(vec![("asn", Number(64999))]))])).unwrap();
    later(2_000_000_000);
    assert!(geo.refresh().unwrap());
    assert_eq!(found(&geo, "1.0.0.1").1, Some(64999), "what was looked up before is forgotten");
    std::fs::write(&file, b"not a database").unwrap();
    later(2_000_000_100);
    assert!(geo.refresh().unwrap_err().to_string().contains("asn.mmdb"));
    assert_eq!(found(&geo, "1.0.0.1").1, Some(64999));
    assert!(!geo.refresh().unwrap(), "told once");
}

#[test]
fn what_is_no_database_is_refused_with_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("cut.mmdb");
    assert!(Geo::open(vec![file.clone()]).unwrap_err().to_string().contains("cut.mmdb"));
    let whole = database(&[(1, Map(vec![("asn", Number(64500))]))]);
    for cut in [0, 10, whole.len() / 2, whole.len() - 5] {
        std::fs::write(&file, &whole[..cut]).unwrap();
        assert!(Geo::open(vec![file.clone()]).is_err(), "{cut} of {}", whole.len());
    }
}
