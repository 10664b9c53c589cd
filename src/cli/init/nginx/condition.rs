//! Which directives are harmless to leave out, and what an `if`, a `return` or a `rewrite` comes to. Whatever is not known here closes the
//! place that it stands in: it may be what protects it.

use super::tree::Directive;

/// What an `if` comes to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Condition {
    /// Nothing is lost without it.
    Harmless,
    /// Sends plain HTTP to HTTPS.
    ToHttps,
    /// Sends this host elsewhere: it has nothing here.
    Host(String),
    /// Only these methods pass.
    Methods(Vec<String>),
    /// May be a protection.
    Unknown,
}

/// Directives that protect nothing, or that are read elsewhere.
const HARMLESS: &[&str] = &[
    "absolute_redirect",
    "access_log",
    "add_header",
    "add_trailer",
    "aio",
    "allow",
    "ancient_browser",
    "auth_basic",
    "auth_basic_user_file",
    "auth_request",
    "auth_request_set",
    "autoindex",
    "break",
    "brotli",
    "brotli_comp_level",
    "brotli_static",
    "brotli_types",
    "charset",
    "charset_types",
    "chunked_transfer_encoding",
    "default_type",
    "deny",
    "directio",
    "disable_symlinks",
    "error_log",
    "error_page",
    "etag",
    "events",
    "expires",
    "fancyindex",
    "geo",
    "http",
    "http2",
    "http2_push_preload",
    "http3",
    "if_modified_since",
    "ignore_invalid_headers",
    "include",
    "index",
    "internal",
    "keepalive_disable",
    "keepalive_requests",
    "keepalive_time",
    "keepalive_timeout",
    "large_client_header_buffers",
    "limit_conn",
    "limit_conn_log_level",
    "limit_conn_status",
    "limit_conn_zone",
    "limit_except",
    "limit_rate",
    "limit_rate_after",
    "limit_req",
    "limit_req_log_level",
    "limit_req_status",
    "limit_req_zone",
    "lingering_close",
    "lingering_time",
    "lingering_timeout",
    "listen",
    "load_module",
    "location",
    "log_format",
    "log_not_found",
    "log_subrequest",
    "map",
    "map_hash_bucket_size",
    "map_hash_max_size",
    "max_ranges",
    "merge_slashes",
    "mirror",
    "mirror_request_body",
    "modern_browser",
    "msie_padding",
    "msie_refresh",
    "open_file_cache",
    "open_file_cache_errors",
    "open_file_cache_min_uses",
    "open_file_cache_valid",
    "output_buffers",
    "override_charset",
    "pid",
    "port_in_redirect",
    "postpone_output",
    "quic_gso",
    "quic_retry",
    "read_ahead",
    "real_ip_header",
    "real_ip_recursive",
    "recursive_error_pages",
    "request_pool_size",
    "reset_timedout_connection",
    "resolver",
    "resolver_timeout",
    "rewrite_log",
    "root",
    "alias",
    "satisfy",
    "send_lowat",
    "send_timeout",
    "sendfile",
    "sendfile_max_chunk",
    "server",
    "server_name",
    "server_name_in_redirect",
    "server_names_hash_bucket_size",
    "server_names_hash_max_size",
    "server_tokens",
    "set",
    "set_real_ip_from",
    "source_charset",
    "split_clients",
    "ssi",
    "stub_status",
    "sub_filter",
    "sub_filter_last_modified",
    "sub_filter_once",
    "sub_filter_types",
    "tcp_nodelay",
    "tcp_nopush",
    "try_files",
    "types",
    "types_hash_bucket_size",
    "types_hash_max_size",
    "underscores_in_headers",
    "upstream",
    "user",
    "userid",
    "variables_hash_bucket_size",
    "variables_hash_max_size",
    "worker_processes",
    "worker_rlimit_nofile",
    "zone",
    // Read one by one where they matter.
    "if",
    "return",
    "rewrite",
    "ssl",
];

/// Families of which nothing protects a place; what does is named apart.
const HARMLESS_FAMILIES: &[&str] = &["proxy_", "gzip", "client_", "ssl_", "http2_", "grpc_", "uwsgi_", "fastcgi_", "scgi_", "open_log_"];

/// Whether a directive may be left out, or is read elsewhere, without anything coming out open.
pub(super) fn is_harmless(d: &Directive) -> bool {
    match d.name.as_str() {
        "ssl_verify_client" => matches!(d.arg(), "off"),
        // The upstream sees another request than the client's.
        "proxy_method" | "proxy_set_body" | "proxy_pass_request_headers" | "proxy_pass_request_body" | "proxy_ssl_certificate" => false,
        name => HARMLESS.contains(&name) || HARMLESS_FAMILIES.iter().any(|family| name.starts_with(family)),
    }
}

/// What hands a request over to somebody.
pub(super) fn is_handler(d: &Directive) -> bool {
    d.name.ends_with("_pass") && d.name != "auth_request"
        || matches!(d.name.as_str(), "stub_status" | "return" | "empty_gif" | "flv" | "mp4" | "perl")
}

/// Reads an `if`.
pub(super) fn condition(d: &Directive) -> Condition {
    let text = d.args.join(" ");
    let inner = text.trim().strip_prefix('(').and_then(|rest| rest.trim_end().strip_suffix(')')).unwrap_or(&text).trim();
    let mut words = inner.splitn(3, ' ');
    let (variable, operator, value) =
        (words.next().unwrap_or_default(), words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let body = d.children();
    if body.iter().all(|inner| is_harmless(inner) && !changes_course(inner)) {
        return Condition::Harmless;
    }
    let [only] = body else { return Condition::Unknown };
    match (variable, operator, value.trim()) {
        ("$scheme", "=", "http") | ("$scheme", "!=", "https") | ("$https", "=", "") | ("$https", "!=", "on")
            if redirects_to_https(only) =>
        {
            Condition::ToHttps
        }
        ("$server_port", "=", "80") | ("$server_port", "!=", "443") if redirects_to_https(only) => Condition::ToHttps,
        ("$host" | "$http_host", "=", name) if is_redirect(only) => Condition::Host(name.to_ascii_lowercase()),
        ("$request_method", "!~" | "!~*", expression) if is_refusal(only) => {
            methods(expression).map_or(Condition::Unknown, Condition::Methods)
        }
        ("$request_method", "!=", method) if is_refusal(only) => Condition::Methods(vec![method.to_ascii_uppercase()]),
        _ => Condition::Unknown,
    }
}

fn changes_course(d: &Directive) -> bool {
    is_handler(d) || matches!(d.name.as_str(), "rewrite" | "deny" | "auth_basic" | "auth_request" | "if" | "internal" | "try_files")
}

/// `^(GET|HEAD|POST)$`
fn methods(expression: &str) -> Option<Vec<String>> {
    let inner = expression.strip_prefix('^')?.strip_suffix('$')?;
    let inner = inner.strip_prefix('(').map_or(Some(inner), |rest| rest.strip_suffix(')'))?;
    let names: Vec<String> = inner.trim_start_matches("?:").split('|').map(str::to_owned).collect();
    let is_method = |name: &String| !name.is_empty() && name.bytes().all(|b| b.is_ascii_uppercase());
    names.iter().all(is_method).then_some(names)
}

/// The status of a `return`; a bare URL is 302.
pub(super) fn status(d: &Directive) -> u16 {
    d.arg().parse().unwrap_or(302)
}

/// A `return` of a refusal.
pub(super) fn is_refusal(d: &Directive) -> bool {
    d.name == "return" && status(d) >= 400
}

fn is_redirect(d: &Directive) -> bool {
    d.name == "return" && (300..400).contains(&status(d))
        || d.name == "rewrite" && matches!(d.args.get(2).map(String::as_str), Some("permanent" | "redirect"))
}

/// A redirect of everything to HTTPS.
pub(super) fn redirects_to_https(d: &Directive) -> bool {
    let target = d.args.iter().any(|arg| arg.starts_with("https://"));
    let everything =
        d.name == "return" || matches!(d.arg(), "^" | "^/" | "^(.*)$" | "^(.*)" | "^/(.*)$" | "^/(.*)" | "(.*)" | ".*" | "^.*$" | "^.*");
    is_redirect(d) && target && everything
}

#[cfg(test)]
mod tests {
    use super::super::tree::Tree;
    use super::*;

    fn read(text: &str) -> Condition {
        condition(&Tree::read(text).unwrap().directives[0])
    }

    #[test]
    fn what_is_known_is_told_from_what_may_protect() {
        assert_eq!(read("if ($scheme = http) { return 301 https://$host$request_uri; }"), Condition::ToHttps);
        assert_eq!(read("if ($scheme != \"https\") { rewrite ^ https://$host$uri permanent; }"), Condition::ToHttps);
        assert_eq!(
            read("if ($host = www.a.example) { return 301 https://a.example$request_uri; }"),
            Condition::Host("www.a.example".into())
        );
        assert_eq!(read("if ($request_method !~ ^(GET|HEAD)$ ) { return 405; }"), Condition::Methods(vec!["GET".into(), "HEAD".into()]));
        assert_eq!(read("if ($http_cookie ~ x) { set $a 1; add_header X y; }"), Condition::Harmless);
        for text in [
            "if ($http_x_token != \"s3cret\") { return 403; }",
            "if ($scheme = http) { return 301 http://elsewhere/; }",
            "if ($request_method !~ GET) { return 405; }",
            "if ($allowed = 0) { deny all; }",
            "if ($x) { proxy_pass http://a; }",
            "if ($x) { set $a 1; return 403; }",
        ] {
            assert_eq!(read(text), Condition::Unknown, "{text}");
        }
    }

    #[test]
    fn an_unknown_directive_is_not_harmless() {
        let first = |text: &str| Tree::read(text).unwrap().directives[0].clone();
        for text in [
            "access_by_lua_file /x;",
            "auth_jwt \"x\";",
            "auth_pam \"x\";",
            "ssl_verify_client on;",
            "modsecurity on;",
            "proxy_method GET;",
        ] {
            assert!(!is_harmless(&first(text)), "{text}");
        }
        for text in ["gzip on;", "proxy_buffering off;", "ssl_protocols TLSv1.3;", "client_max_body_size 1g;"] {
            assert!(is_harmless(&first(text)), "{text}");
        }
    }
}
