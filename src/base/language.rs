//! Language tags (BCP 47), as far as a choice among a few languages needs them.

/// What a tag is compared by when no language has the very tag: its primary subtag, and for Chinese the script, which `TW`, `HK` and `MO`
/// imply (RFC 5646 section 2.2.3; CLDR's likely subtags).
pub fn tongue(tag: &str) -> String {
    let lower = tag.to_ascii_lowercase();
    let mut parts = lower.split(['-', '_']);
    let primary = parts.next().unwrap_or_default();
    if primary != "zh" {
        return primary.to_owned();
    }
    let traditional = parts.any(|part| matches!(part, "hant" | "tw" | "hk" | "mo")) && !lower.contains("hans");
    if traditional { "zh-hant".to_owned() } else { "zh-hans".to_owned() }
}

/// What a language calls itself; the tag where that is not known.
pub fn own_name(tag: &str) -> &str {
    match tag {
        "en" => "English",
        "de" => "Deutsch",
        "fr" => "Français",
        "es" => "Español",
        "zh-Hans" => "简体中文",
        "zh-Hant" => "繁體中文",
        "pt" => "Português",
        "ja" => "日本語",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chinese_is_told_apart_by_its_script() {
        for (tag, same) in [
            ("de-CH", "de"),
            ("DE", "de"),
            ("zh", "zh-hans"),
            ("zh-CN", "zh-hans"),
            ("zh-TW", "zh-hant"),
            ("zh_HK", "zh-hant"),
            ("zh-Hant", "zh-hant"),
            ("zh-Hans-HK", "zh-hans"),
            ("", ""),
        ] {
            assert_eq!(tongue(tag), same, "{tag}");
        }
    }
}
