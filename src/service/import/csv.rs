//! Reads a table (RFC 4180). Its first line names the columns, in any order.

use super::entry::{Entry, Fault};
use crate::service::accounts::NewAccount;

const COLUMNS: [&str; 5] = ["name", "email", "phone", "display_name", "groups"];

/// Which column holds what.
struct Layout([Option<usize>; 5]);

impl Layout {
    fn of(header: &::csv::StringRecord) -> Result<Self, Vec<Fault>> {
        let (mut layout, mut faults) = (Self([None; 5]), Vec::new());
        for (at, title) in header.iter().enumerate() {
            let column = COLUMNS.iter().position(|column| *column == title.trim().to_ascii_lowercase());
            match column.and_then(|column| layout.0.get_mut(column)) {
                Some(place @ None) => *place = Some(at),
                Some(Some(_)) => faults.push(Fault::new(1, format!("the column “{title}” stands there twice"))),
                None => faults.push(Fault::new(1, format!("unknown column “{title}”; there are {}", COLUMNS.join(", ")))),
            }
        }
        for (column, place) in COLUMNS.iter().zip(&layout.0).take(2) {
            if place.is_none() {
                faults.push(Fault::new(1, format!("the column “{column}” is missing; the first line must name the columns")));
            }
        }
        if faults.is_empty() { Ok(layout) } else { Err(faults) }
    }

    fn get<'r>(&self, record: &'r ::csv::StringRecord, column: usize) -> Option<&'r str> {
        let at = (*self.0.get(column)?)?;
        record.get(at).map(str::trim).filter(|text| !text.is_empty())
    }

    fn account(&self, record: &::csv::StringRecord) -> NewAccount {
        let text = |column| self.get(record, column).map(str::to_owned);
        let groups = self.get(record, 4).unwrap_or_default();
        NewAccount {
            name: text(0).unwrap_or_default(),
            email: text(1).unwrap_or_default(),
            phone: text(2),
            display_name: text(3),
            groups: groups.split(';').map(str::trim).filter(|group| !group.is_empty()).map(str::to_owned).collect(),
            service: false,
            certificate_subject: None,
            password_hash: None,
        }
    }
}

pub(super) fn read(text: &str) -> (Vec<Entry>, Vec<Fault>) {
    let mut reader = ::csv::ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
    let layout = match reader.headers().map_err(|e| vec![Fault::new(1, e.to_string())]).and_then(Layout::of) {
        Ok(layout) => layout,
        Err(faults) => return (Vec::new(), faults),
    };
    let columns = reader.headers().map_or(0, ::csv::StringRecord::len);
    let (mut entries, mut faults) = (Vec::new(), Vec::new());
    for record in reader.records() {
        match record {
            Ok(record) => {
                let line = record.position().map_or(1, |at| usize::try_from(at.line()).unwrap_or(usize::MAX));
                if record.len() != columns {
                    let what = format!("{} fields where the first line has {columns}; quote a field that has a comma", record.len());
                    faults.push(Fault::new(line, what));
                } else {
                    entries.push(Entry { line, account: layout.account(&record), disabled: false });
                }
            }
            Err(e) => {
                let line = e.position().map_or(1, |at| usize::try_from(at.line()).unwrap_or(usize::MAX));
                faults.push(Fault::new(line, e.to_string()));
            }
        }
    }
    (entries, faults)
}
