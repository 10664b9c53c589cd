//! Whether an SVG only draws. It is served from the applications' own hosts, where a script in it would act as whoever opens it, so
//! what is allowed is listed, and everything else is refused by name. (It is served with a policy that runs nothing, too.)

use roxmltree::{Document, Node, ParsingOptions};

/// Bytes.
const MOST: usize = 64 * 1024;
/// Elements, attributes and texts.
const NODES: u32 = 5000;
/// Browsers draw recursively.
const DEPTH: usize = 64;

const NAMESPACE: &str = "http://www.w3.org/2000/svg";
const XLINK: &str = "http://www.w3.org/1999/xlink";
const XML: &str = "http://www.w3.org/XML/1998/namespace";

/// Shapes, texts, paint. No `use`, which multiplies; nothing that loads, links, moves or embeds.
const ELEMENTS: [&str; 21] = [
    "svg",
    "g",
    "defs",
    "title",
    "desc",
    "style",
    "path",
    "rect",
    "circle",
    "ellipse",
    "line",
    "polyline",
    "polygon",
    "text",
    "tspan",
    "linearGradient",
    "radialGradient",
    "stop",
    "clipPath",
    "mask",
    "pattern",
];

const PLAIN: &str = "export it as plain SVG of shapes: “Plain SVG” in Inkscape, “Presentation Attributes” in Illustrator";

/// # Errors
/// The first thing that does more than draw, and what to do.
pub(super) fn check(bytes: &[u8]) -> Result<(), (String, &'static str)> {
    if bytes.len() > MOST {
        return Err(("is larger than 64 KiB".into(), "simplify the drawing, or export it as PNG"));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| ("is neither a PNG nor an SVG in UTF-8".to_owned(), "export it as SVG or PNG"))?;
    // Without a document type: no entity can multiply or load anything.
    let options = ParsingOptions { allow_dtd: false, nodes_limit: NODES, ..ParsingOptions::default() };
    let document = Document::parse_with_options(text, options).map_err(|e| (format!("is neither a PNG nor a plain SVG: {e}"), PLAIN))?;
    let root = document.root_element();
    if root.tag_name().name() != "svg" || root.tag_name().namespace() != Some(NAMESPACE) {
        return Err((format!("begins with <{}>, not with an <svg> of {NAMESPACE}", root.tag_name().name()), PLAIN));
    }
    document.descendants().try_for_each(|node| one(&node))
}

fn one(node: &Node<'_, '_>) -> Result<(), (String, &'static str)> {
    if node.is_pi() {
        return Err(("has a processing instruction, which could load a stylesheet".into(), PLAIN));
    }
    if !node.is_element() {
        return Ok(());
    }
    let name = node.tag_name().name();
    if node.tag_name().namespace() != Some(NAMESPACE) || !ELEMENTS.contains(&name) {
        return Err((format!("has <{name}>, and only shapes, texts and gradients are taken"), PLAIN));
    }
    if node.ancestors().nth(DEPTH).is_some() {
        return Err((format!("is nested more than {DEPTH} deep"), PLAIN));
    }
    if name == "style" && node.descendants().filter_map(|inner| inner.text()).any(|css| css.contains('@') || reaches_out(css)) {
        return Err(("has a <style> that loads or runs something".into(), PLAIN));
    }
    node.attributes().try_for_each(|attribute| {
        let (key, value) = (attribute.name(), attribute.value());
        let refused = |why: &str| Err((format!("has {key} at <{name}>, which {why}"), PLAIN));
        match attribute.namespace() {
            None | Some(XML) => {}
            Some(XLINK) if key == "href" => {}
            Some(_) => return refused("is not SVG's own"),
        }
        if key.to_ascii_lowercase().starts_with("on") {
            return refused("runs a script");
        }
        if key.eq_ignore_ascii_case("href") && !value.trim().starts_with('#') || reaches_out(value) {
            return refused("leads out of the picture");
        }
        Ok(())
    })
}

/// Whether a value can load or run something. Blanks, control characters and letter case hide nothing; a backslash could.
fn reaches_out(value: &str) -> bool {
    let bare: String = value.chars().filter(|c| !c.is_whitespace() && !c.is_control()).flat_map(char::to_lowercase).collect();
    let own = |rest: &str| rest.trim_start_matches(['"', '\'']).starts_with('#');
    let words = ["javascript:", "data:", "vbscript:", "expression(", "image(", "image-set(", "src(", "@import", "-moz-binding"];
    bare.contains('\\')
        || bare.contains("/*")
        || bare.split("url(").skip(1).any(|rest| !own(rest))
        || words.iter().any(|word| bare.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(inner: &str) -> String {
        format!("<svg xmlns=\"{NAMESPACE}\" xmlns:xlink=\"{XLINK}\" viewBox=\"0 0 10 10\">{inner}</svg>")
    }

    #[test]
    fn what_only_draws_is_taken() {
        for inner in [
            "",
            "<title>Example</title><path d='M0 0h10v10z' fill='#0a6b5c'/>",
            "<defs><linearGradient id='a'><stop offset='0'/></linearGradient><linearGradient id='b' xlink:href='#a'/></defs>\
             <rect width='10' height='10' fill='url(#b)' style=\"stroke:url('#a')\"/>",
            "<style>.a{fill:#fff} .b{fill:url(#a)}</style><text x='1' y='2' xml:space='preserve'>ACME</text>",
        ] {
            assert_eq!(check(drawn(inner).as_bytes()), Ok(()), "{inner}");
        }
        assert_eq!(check(format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!-- made by hand -->{}", drawn("")).as_bytes()), Ok(()));
        assert_eq!(check(include_bytes!("../../../templates/icon.svg")), Ok(()), "our own icon");
    }

    #[test]
    fn what_does_more_than_draw_is_refused() {
        for inner in [
            "<script>alert(1)</script>",
            "<SCRIPT>alert(1)</SCRIPT>",
            "<script xmlns='http://www.w3.org/1999/xhtml'>alert(1)</script>",
            "<h:script xmlns:h='http://www.w3.org/1999/xhtml'>alert(1)</h:script>",
            "<rect onload='alert(1)'/>",
            "<rect ONCLICK='alert(1)'/>",
            "<foreignObject><iframe xmlns='http://www.w3.org/1999/xhtml' src='https://evil.example'/></foreignObject>",
            "<a href='https://evil.example'><rect/></a>",
            "<image href='https://evil.example/x.png'/>",
            "<image href='data:image/svg+xml;base64,AAAA'/>",
            "<use href='#a'/>",
            "<g id='a'/><use xlink:href='https://evil.example/x.svg#a'/>",
            "<animate attributeName='href' to='javascript:alert(1)'/>",
            "<set attributeName='onmouseover' to='alert(1)'/>",
            "<linearGradient xlink:href='https://evil.example/x.svg#a'/>",
            "<linearGradient href=' javascript:alert(1)'/>",
            "<rect fill='url(https://evil.example/x.svg#a)'/>",
            "<rect fill='u&#x72;l( &#10;//evil.example/x)'/>",
            "<rect style='background:\\75 rl(//evil.example/x)'/>",
            "<rect style='fill:ur/**/l(//evil.example/x)'/>",
            "<style>@import 'https://evil.example/x.css';</style>",
            "<style><![CDATA[rect{fill:url(https://evil.example/x)}]]></style>",
            "<style>@font-face{font-family:a;src:url(//evil.example/f)}</style>",
            "<filter><feImage href='https://evil.example/x'/></filter>",
            "<?xml-stylesheet href='https://evil.example/x.css'?>",
            "<rect sodipodi:role='x' xmlns:sodipodi='http://sodipodi.example'/>",
        ] {
            let (what, _) = check(drawn(inner).as_bytes()).expect_err(inner);
            assert!(!what.is_empty());
        }
        let nested = format!("{}{}", "<g>".repeat(2000), "</g>".repeat(2000));
        assert!(check(drawn(&nested).as_bytes()).is_err(), "nested");
        assert!(check(drawn(&"<g/>".repeat(6000)).as_bytes()).is_err(), "many");
        assert!(check(drawn(&" ".repeat(MOST)).as_bytes()).unwrap_err().0.contains("64 KiB"));
    }

    #[test]
    fn documents_that_are_no_svg_or_have_a_document_type_are_refused() {
        let bomb = "<!DOCTYPE svg [<!ENTITY a \"&b;&b;\"><!ENTITY b \"x\">]>";
        let outside = "<!DOCTYPE svg [<!ENTITY a SYSTEM \"file:///etc/passwd\">]>";
        for text in [format!("{bomb}{}", drawn("<text>&a;</text>")), format!("{outside}{}", drawn("<text>&a;</text>"))] {
            assert!(check(text.as_bytes()).is_err(), "{text}");
        }
        for bytes in
            [&b""[..], b"<svg/>", b"<html xmlns='http://www.w3.org/1999/xhtml'/>", b"GIF89a", b"\xff\xd8\xff\xe0", b"<svg", b"\xfe\xff\0<"]
        {
            assert!(check(bytes).is_err(), "{bytes:?}");
        }
    }
}
