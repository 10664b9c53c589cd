//! What the list of users is narrowed to, and the list as a file: exactly what the page shows, all pages of it.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use serde_json::json;

use super::gate::AdminRequest;
use super::listing::state;
use crate::portal::web::fields::Fields;
use crate::portal::web::reply::Reply;
use crate::service::Refused;
use crate::service::admin::directory::Row;
use crate::service::admin::overview::missing_from;
use crate::view::admin::{State, UserFilter};
use crate::view::message::Problem;

/// Reads the filter from the query; what makes no sense narrows nothing.
pub fn read(query: &Fields) -> UserFilter {
    let one_of =
        |name: &str, known: &[&str]| known.iter().find(|word| **word == query.get(name)).map_or(String::new(), ToString::to_string);
    UserFilter {
        state: one_of("state", &["active", "locked", "disabled"]),
        factor: one_of("factor", &["with", "without"]),
        group: query.get("group").trim().to_owned(),
    }
}

/// The search and the filter as sent, to be sent again with what follows the list.
pub fn carried(sent: &Fields) -> Vec<(&'static str, String)> {
    let fields = ["q", "state", "factor", "group", "missing"].map(|name| (name, sent.get(name).chars().take(256).collect::<String>()));
    fields.into_iter().filter(|(_, value)| !value.is_empty()).collect()
}

/// Whether an account is among those that the page shows beside its search.
pub fn fits<'a>(admin: &'a AdminRequest, sent: &Fields, filter: &'a UserFilter) -> impl Fn(&Row) -> bool + 'a {
    let (context, now) = (&admin.req.context, admin.req.context.now);
    let name = sent.get("missing");
    let route = context.policy.routes().iter().find(|route| !name.is_empty() && *route.name == *name);
    let missing = route.map(|route| missing_from(route, &context.config.mfa));
    move |row| {
        let of = match state(row.disabled, row.locked, now) {
            State::Active => "active",
            State::Locked(_) => "locked",
            State::Disabled => "disabled",
        };
        (filter.state.is_empty() || filter.state == of)
            && (filter.factor.is_empty() || (filter.factor == "with") != row.enrolled.is_empty())
            && (filter.group.is_empty() || row.groups.iter().any(|group| **group == *filter.group))
            && missing.as_ref().is_none_or(|missing| missing(row))
    }
}

/// `admin/users/export?format=csv` or `json`, and the filter.
pub async fn export(admin: AdminRequest) -> Response {
    let file = match exported(&admin).await {
        Ok(Some(file)) => file,
        Ok(None) => return admin.req.answer(Ok(Reply::problem(&admin.req, Problem::NotFound))),
        Err(refused) => return admin.req.answer(Err(refused)),
    };
    let (content_type, name, bytes) = file;
    let mut response = admin.req.answer(Ok(Reply::ok(maud::html! {})));
    *response.body_mut() = Body::from(bytes);
    *response.status_mut() = StatusCode::OK;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response.headers_mut().insert(header::CONTENT_DISPOSITION, HeaderValue::from_static(name));
    response
}

type File = (&'static str, &'static str, Vec<u8>);

async fn exported(admin: &AdminRequest) -> Result<Option<File>, Refused> {
    let query = &admin.req.query;
    let directory = admin.req.services.users.directory().await?;
    let filter = read(query);
    let fits = fits(admin, query, &filter);
    let rows = directory.find(query.get("q"), 1, usize::MAX, Some(&fits)).rows;
    let now = admin.req.context.now;
    let locked = |row: &Row| matches!(state(row.disabled, row.locked, now), State::Locked(_));
    Ok(match query.get("format") {
        "csv" => csv(rows.iter().map(|row| (&**row, locked(row))))
            .map(|bytes| ("text/csv; charset=utf-8", "attachment; filename=\"users.csv\"", bytes)),
        "json" => {
            let all: Vec<_> = rows.iter().map(|row| object(row, locked(row))).collect();
            let bytes = serde_json::to_vec_pretty(&all).ok();
            bytes.map(|bytes| ("application/json", "attachment; filename=\"users.json\"", bytes))
        }
        _ => None,
    })
}

fn object(row: &Row, locked: bool) -> serde_json::Value {
    json!({
        "name": row.name(), "display_name": row.display_name(), "email": row.email(), "groups": row.groups.iter().collect::<Vec<_>>(),
        "disabled": row.disabled, "locked": locked, "methods": row.enrolled.iter().map(|method| method.name()).collect::<Vec<_>>(),
        "last_sign_in": row.last_sign_in.map(|at| at.rfc3339()),
    })
}

fn csv<'r>(rows: impl Iterator<Item = (&'r Row, bool)>) -> Option<Vec<u8>> {
    let mut out = csv::Writer::from_writer(Vec::new());
    out.write_record(["name", "display_name", "email", "groups", "disabled", "locked", "methods", "last_sign_in"]).ok()?;
    for (row, locked) in rows {
        let groups = row.groups.iter().map(AsRef::as_ref).collect::<Vec<&str>>().join(";");
        let methods = row.enrolled.iter().map(|method| method.name()).collect::<Vec<_>>().join(";");
        let last = row.last_sign_in.map(|at| at.rfc3339()).unwrap_or_default();
        let cells = [row.name(), row.display_name(), row.email(), &groups, &row.disabled.to_string(), &locked.to_string(), &methods, &last];
        out.write_record(cells.map(plain)).ok()?;
    }
    out.into_inner().ok()
}

/// A cell that no spreadsheet takes for a formula (OWASP, CSV Injection): a quote before what could begin one.
fn plain(cell: &str) -> String {
    let begins = cell.trim_start_matches(' ').starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']);
    if begins { format!("'{cell}") } else { cell.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_never_a_formula() {
        for cell in ["=1+1", "+49 170", "-2", "@SUM(A1)", "\t=1", "\r=1", "  =1", "＝1"] {
            assert!(plain(cell).starts_with('\''), "{cell:?}");
        }
        for cell in ["", "alice", "a=b", "Ünal"] {
            assert_eq!(plain(cell), cell);
        }
    }
}
