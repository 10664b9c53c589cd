//! One form in which login names and e-mail addresses are compared, wherever the store looks for one.

use unicode_normalization::UnicodeNormalization;

/// The form in which names and addresses are compared: NFKC, lower case.
pub fn fold(login: &str) -> String {
    login.trim().nfkc().collect::<String>().to_lowercase()
}
