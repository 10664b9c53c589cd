//! Which directives are harmless to leave out. Whatever is not listed here may be a protection.

use super::tree::Directive;

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

#[cfg(test)]
mod tests {
    use super::super::tree::Tree;
    use super::*;

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
