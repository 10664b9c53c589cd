//! Steps that applications take with a path, written down naively for those who judge the gateway: the fuzz targets, and the fuzzer of the whole
//! gateway (`tests/it/fuzz`). Shares no code with the gateway's own.

pub fn without_dots(text: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    for segment in text.split('/').skip(1) {
        match segment {
            "." => {}
            ".." => drop(kept.pop()),
            other => kept.push(other),
        }
    }
    format!("/{}", kept.join("/"))
}

pub fn without_parameters(text: &str) -> String {
    text.split('/').map(|segment| segment.split(';').next().unwrap_or_default()).collect::<Vec<_>>().join("/")
}

pub fn merged(text: &str) -> String {
    let mut out = text.to_owned();
    while out.contains("//") {
        out = out.replace("//", "/");
    }
    out
}

/// `//host/path` is a URL without a scheme to some.
pub fn without_authority(text: &str) -> String {
    let path = text.strip_prefix("//").and_then(|rest| rest.find('/').map(|at| rest[at..].to_owned()));
    path.unwrap_or_else(|| text.to_owned())
}
