//! Views for people who speak SQL: accounts, sessions and the audit log out of the table `vestibule_kv`. Guarantees that no password hash,
//! no sealed secret, no key of a passkey and no id of a session is in them: each column is named here, and nothing else is shown.
//!
//! A session is packed ([`crate::session`], the form in `session/packed.rs`); its bytes are taken apart in SQL. Other records (sign-ins
//! under way, links, tokens, counts) are left out.

use std::fmt::Write;

/// The statements that make the views, or make them again. Whoever runs them must own the table.
pub fn views() -> String {
    let mut sql = String::from(
        "-- Read-only views of vestibule's store for reports. They hold no secret; grant SELECT on them to whoever makes reports,\n\
         -- and nothing on the table vestibule_kv. Made by: vestibule store views\n\nBEGIN;\n\n",
    );
    let _ = write!(sql, "{}\n\n{}\n\n{}\n\nCOMMIT;\n", accounts(), sessions(), audit());
    sql
}

fn moment(json: &str) -> String {
    format!("to_timestamp((doc->>'{json}')::bigint / 1000.0)")
}

fn accounts() -> String {
    format!(
        "CREATE OR REPLACE VIEW vestibule_accounts WITH (security_barrier) AS
SELECT doc->>'id' AS id, doc->>'name' AS name, doc->>'email' AS email, doc->>'phone' AS phone, doc->>'display_name' AS display_name,
  ARRAY(SELECT jsonb_array_elements_text(coalesce(doc->'groups', '[]'))) AS groups,
  coalesce((doc->>'disabled')::boolean, false) AS disabled,
  coalesce((doc->>'service')::boolean, false) AS service,
  coalesce(doc->>'password', '') <> '' AS has_password,
  coalesce(doc->>'mfa_policy', 'inherit') AS mfa_policy,
  array_remove(ARRAY[
    CASE WHEN jsonb_typeof(doc->'totp') = 'object' THEN 'totp' END,
    CASE WHEN jsonb_array_length(coalesce(doc->'webauthn', '[]')) > 0 THEN 'webauthn' END,
    CASE WHEN jsonb_typeof(doc->'email_otp') = 'object' THEN 'email' END,
    CASE WHEN jsonb_typeof(doc->'sms_otp') = 'object' THEN 'sms' END,
    CASE WHEN jsonb_typeof(doc->'external') = 'object' THEN 'external' END
  ], NULL) AS methods,
  {created} AS created, {changed} AS password_changed,
  to_timestamp((doc->'failures'->>'locked_until')::bigint / 1000.0) AS locked_until
FROM (SELECT convert_from(value, 'UTF8')::jsonb AS doc FROM vestibule_kv WHERE key >= 'account/' AND key < 'account0') AS records;",
        created = moment("created"),
        changed = moment("password_changed"),
    )
}

/// A time in milliseconds, little-endian; its two highest bytes are zero until the year 10889.
fn packed(offset: &str) -> String {
    let bytes: Vec<String> = (0..6).map(|n| format!("(get_byte(value, {offset} + {n})::bigint << {})", n * 8)).collect();
    format!("to_timestamp(({}) / 1000.0)", bytes.join(" + "))
}

fn sessions() -> String {
    format!(
        r"CREATE OR REPLACE VIEW vestibule_sessions WITH (security_barrier) AS
SELECT account, {created} AS created, {seen} AS last_seen, {auth} AS authenticated,
  CASE second WHEN 1 THEN 'totp' WHEN 2 THEN 'webauthn' WHEN 3 THEN 'email' WHEN 4 THEN 'sms' WHEN 5 THEN 'recovery' WHEN 6 THEN 'external' END
    AS method,
  CASE WHEN second <> 0 THEN {shown} END AS method_shown,
  flags & 1 = 1 AS trusted_browser,
  (CASE WHEN flags & 2 = 0
    THEN concat_ws('.', get_byte(value, rest), get_byte(value, rest + 1), get_byte(value, rest + 2), get_byte(value, rest + 3))
    ELSE regexp_replace(encode(substring(value FROM rest + 1 FOR 16), 'hex'), '(....)(?!$)', '\1:', 'g') END)::inet AS address,
  convert_from(substring(value FROM rest + CASE WHEN flags & 2 = 0 THEN 5 ELSE 17 END), 'UTF8') AS browser
FROM (
  SELECT value, flags, second, CASE WHEN second = 0 THEN 46 ELSE 54 END AS rest,
    (SELECT string_agg(substr('abcdefghijklmnopqrstuvwxyz234567', substring(bits FROM n * 5 + 1 FOR 5)::bit(5)::int + 1, 1), '' ORDER BY n)
      FROM generate_series(0, 25) AS n) AS account
  FROM (SELECT value, get_byte(value, 1) AS flags, get_byte(value, 1) >> 4 AS second,
      ('x' || encode(substring(value FROM 3 FOR 16), 'hex'))::bit(128) || B'00' AS bits
    FROM vestibule_kv WHERE key >= 'session/' AND key < 'session0' AND length(value) >= 50 AND get_byte(value, 0) = 1) AS packed
) AS records;",
        created = packed("22"),
        seen = packed("30"),
        auth = packed("38"),
        shown = packed("46"),
    )
}

fn audit() -> String {
    format!(
        "CREATE OR REPLACE VIEW vestibule_audit WITH (security_barrier) AS
SELECT (doc->>'seq')::bigint AS seq, {at} AS at, doc->>'event' AS event, doc->>'user' AS account, doc->>'by' AS actor,
  doc->>'address' AS address, doc->>'request' AS request, doc->>'detail' AS detail
FROM (SELECT convert_from(value, 'UTF8')::jsonb AS doc FROM vestibule_kv WHERE key >= 'audit/' AND key < 'audit0') AS records;",
        at = moment("at"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Time, UserId};
    use crate::config::StoreUrl;
    use crate::factor::Method;
    use crate::policy::Proof;
    use crate::session::SessionRecord;
    use crate::session::keys::MasterKey;
    use crate::store::postgres::server;
    use crate::store::{AuditRecord, Store};

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn reports_read_the_views_and_find_no_secret() {
        let database = server::database().await;
        let store =
            Store::open(&StoreUrl::Postgres(server::url(&database)), &[MasterKey::random(1, Time::default()).unwrap()], Time::default())
                .await
                .unwrap();
        let id = UserId::random().unwrap();
        let moment = Time::from_millis(1_700_000_000_123);
        let account = serde_json::from_value(serde_json::json!({
            "id": id, "name": "alice", "email": "alice@internal.example", "display_name": "Alice", "created": moment.millis(), "groups": ["staff", "dev"],
            "password": "$argon2id$SECRET", "recovery": [{ "salt": "SECRET", "hash": "SECRET", "used": null }],
            "totp": { "sealed_secret": "SECRET", "fingerprint": "SECRET", "digits": 6, "period": 30, "last_step": 1, "name": "phone", "added": 1, "last_used": null },
            "browsers": [],
        }))
        .unwrap();
        store.create_account(&account).await.unwrap().unwrap();
        let second = Proof::Second { method: Method::Webauthn, at: moment };
        let addresses: [std::net::IpAddr; 2] = [[203, 0, 113, 7].into(), "2001:db8::1".parse().unwrap()];
        for (proof, address) in [(Proof::Password, addresses[0]), (second, addresses[1])] {
            let record = SessionRecord::begin(id, 0, proof, moment, address, "Firefox 145 · Linux").unwrap();
            assert!(store.put_session(&record, None).await.unwrap());
        }
        let record = serde_json::json!({ "seq": 0, "at": moment.millis(), "event": "sign_in.succeeded", "user": "alice", "address": "203.0.113.7",
            "detail": "Firefox", "previous": "", "hash": "" });
        store.append_audit(serde_json::from_value::<AuditRecord>(record).unwrap()).await.unwrap();
        let client = server::client(&database).await;
        // Twice: as after an upgrade.
        for _ in 0..2 {
            client.batch_execute(&views()).await.unwrap();
        }
        let reports = format!(
            "CREATE ROLE reports_{database}; GRANT SELECT ON vestibule_accounts, vestibule_sessions, vestibule_audit TO reports_{database};
             SET ROLE reports_{database}"
        );
        client.batch_execute(&reports).await.unwrap();
        assert!(client.query("SELECT * FROM vestibule_kv", &[]).await.is_err(), "the table is closed to reports");
        let text = async |view: &str| -> Vec<serde_json::Value> {
            let rows =
                client.query(&format!("SELECT row_to_json(v)::text FROM (SELECT * FROM {view} ORDER BY 2) AS v"), &[]).await.unwrap();
            rows.iter().map(|row| serde_json::from_str(row.get(0)).unwrap()).collect()
        };
        let accounts = text("vestibule_accounts").await;
        assert_eq!(
            (accounts.len(), &accounts[0]["name"], &accounts[0]["groups"]),
            (1, &"alice".into(), &serde_json::json!(["staff", "dev"]))
        );
        assert_eq!((&accounts[0]["methods"], &accounts[0]["has_password"]), (&serde_json::json!(["totp"]), &true.into()));
        assert_eq!(accounts[0]["id"], id.to_string());
        assert!(accounts[0]["created"].as_str().unwrap().starts_with("2023-11-14T22:13:20.123"), "{accounts:?}");
        let mut sessions = text("vestibule_sessions").await;
        sessions.sort_by_key(|session| session["method"].to_string());
        assert_eq!(sessions.len(), 2, "{sessions:?}");
        for (session, address, method) in
            [(&sessions[0], "2001:db8::1", "webauthn".into()), (&sessions[1], "203.0.113.7", serde_json::Value::Null)]
        {
            assert_eq!((&session["account"], &session["address"]), (&id.to_string().into(), &address.into()), "{session}");
            assert_eq!((&session["method"], &session["browser"]), (&method, &"Firefox 145 · Linux".into()), "{session}");
            assert!(session["last_seen"].as_str().unwrap().starts_with("2023-11-14T22:13:20.123"), "{session}");
        }
        let audit = text("vestibule_audit").await;
        assert_eq!((&audit[0]["event"], &audit[0]["account"]), (&"sign_in.succeeded".into(), &"alice".into()));
        assert!(!format!("{accounts:?}{sessions:?}{audit:?}").contains("SECRET"));
    }
}
