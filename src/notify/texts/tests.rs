//! Every text of every language is there, says what it must, and can be replaced.

use super::*;
use crate::base::Secret;

fn message(lang: &str, content: Content) -> Message {
    Message {
        to: Recipient::Email("alice@internal.example".into()),
        lang: lang.into(),
        user: "<Alice & Co>".into(),
        site: "Wiki".into(),
        host: "wiki.internal.example".into(),
        at: Time::from_secs(1_700_000_000),
        by_admin: false,
        content,
    }
}

fn code() -> Content {
    Content::SignInCode { code: Secret::new("271828"), minutes: 5 }
}

#[test]
fn every_language_has_every_text_and_word_of_its_own() {
    let texts = Texts::load(None, &Arc::default()).unwrap();
    let words: Vec<&String> = texts.languages[FALLBACK].words.keys().collect();
    for (tag, language) in &texts.languages {
        assert_eq!(language.words.keys().collect::<Vec<_>>(), words, "{tag}");
        for kind in MessageKind::ALL {
            let text = language.messages.get(kind.name()).unwrap_or_else(|| panic!("{tag} has no {}", kind.name()));
            assert!(text.subject.is_some() && text.text.is_some(), "{tag} {}", kind.name());
            assert_eq!(text.sms.is_some(), kind.has_sms(), "{tag} {}", kind.name());
        }
    }
    assert_eq!(texts.languages().count(), 8);
}

#[test]
fn every_value_that_matters_is_said_in_every_language() {
    let texts = Texts::load(None, &Arc::default()).unwrap();
    for lang in texts.languages() {
        for content in Content::samples() {
            let kind = content.kind().name();
            let written = texts.mail(&message(lang, content.clone())).unwrap();
            let values = serde_json::to_value(&content).unwrap();
            for (key, value) in values.as_object().unwrap() {
                let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                assert!(matches!(key.as_str(), "method" | "policy") || written.text.contains(&value), "{lang} {kind} leaves out {key}");
            }
            assert!(written.text.contains("<Alice & Co>") && written.html.contains("&lt;Alice &amp; Co&gt;"), "{lang} {kind}");
            assert!(!written.subject.contains("123456"), "a code in the subject shows on a locked screen: {lang} {kind}");
        }
    }
}

#[test]
fn an_sms_fits_and_ends_with_the_line_that_browsers_read() {
    let texts = Texts::load(None, &Arc::default()).unwrap();
    for lang in texts.languages() {
        let sms = texts.sms(&message(lang, code())).unwrap();
        assert!(sms.ends_with("\n@wiki.internal.example #271828"), "{lang}: {sms}");
        assert!(sms.chars().count() <= 160, "{lang}: {sms}");
    }
}

#[test]
fn the_nearest_language_is_taken() {
    let texts = Texts::load(None, &Arc::default()).unwrap();
    for (wanted, got) in [
        ("de", "de"),
        ("de-AT", "de"),
        ("ZH-cn", "zh-Hans"),
        ("zh-hans", "zh-Hans"),
        ("zh-TW", "zh-Hant"),
        ("pt-BR", "pt"),
        ("it", "en"),
        ("", "en"),
    ] {
        assert_eq!(texts.pick(wanted), got, "{wanted}");
    }
}

#[test]
fn an_operator_replaces_what_they_like_and_hears_of_mistakes() {
    let folder = tempfile::tempdir().unwrap();
    let messages = folder.path().join("messages");
    std::fs::create_dir(&messages).unwrap();
    std::fs::write(messages.join("en.toml"), "[messages.sign_in_code]\nsubject = \"ACME says hello, {{ user }}\"\n").unwrap();
    let texts = Texts::load(Some(folder.path()), &Arc::default()).unwrap();
    let written = texts.mail(&message("en", code())).unwrap();
    assert!(written.subject.starts_with("ACME says hello") && written.text.contains("271828"));
    for (bad, line, key, remedy) in [
        ("[messages.sign_in_cod]\nsubject = \"x\"\n", 2, "messages.sign_in_cod.subject", "did you mean “messages.sign_in_code.subject”?"),
        ("[messages.sign_in_code]\n\nsubject = \"{{ cdoe }}\"\n", 3, "messages.sign_in_code.subject", "use only user, site"),
        ("[messages.sign_in_code]\ntext = \"Hello {{ user }}\"\n", 2, "messages.sign_in_code.text", "put {{ code }}"),
        ("[messages.sign_in_code]\nsms = \"{% if %}\"\n", 2, "messages.sign_in_code.sms", "use only user, site"),
        ("[messages.reset_link]\ntext = \" \"\n", 2, "messages.reset_link.text", "leave the key out"),
        ("[messages.locked]\nsms = \"x\"\n", 2, "messages.locked.sms", "did you mean"),
        ("[words]\nphone = \"x\"\n", 2, "words.phone", "did you mean"),
        ("not toml", 1, "", "correct the syntax"),
    ] {
        std::fs::write(messages.join("en.toml"), bad).unwrap();
        let problems = Texts::load(Some(folder.path()), &Arc::default()).unwrap_err().0;
        let found = problems.first().unwrap();
        assert!((problems.len(), found.line, found.key.as_str()) == (1, Some(line), key) && found.remedy.contains(remedy), "{problems:?}");
        assert!(found.file.ends_with("messages/en.toml"), "{found}");
    }
    std::fs::remove_file(messages.join("en.toml")).unwrap();
    std::fs::write(messages.join("layout.html"), "<p>{{ nothing }}</p>").unwrap();
    let problems = Texts::load(Some(folder.path()), &Arc::default()).unwrap_err();
    assert!(problems.to_string().contains("layout.html") && problems.to_string().contains("paragraphs"), "{problems}");
    std::fs::remove_file(messages.join("layout.html")).unwrap();
    assert!(Texts::load(Some(Path::new("/nonexistent")), &Arc::default()).is_ok());
}
