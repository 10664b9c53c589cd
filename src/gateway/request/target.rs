//! A request target in the forms in which it goes on.

/// The target as a URI; `None` if it could not be sent byte for byte.
pub fn exact_uri(target: &[u8]) -> Option<http::Uri> {
    http::Uri::try_from(target).ok().filter(|uri| uri.path_and_query().is_some_and(|p| p.as_str().as_bytes() == target))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_target_goes_out_byte_for_byte_or_not_at_all() {
        assert!(exact_uri(b"/a%20b//c;x?q=1").is_some());
        assert!(exact_uri(b"/a b").is_none());
        assert!(exact_uri(b"/a#b").is_none());
    }
}
