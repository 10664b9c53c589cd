//! Writes every page with sample values as HTML files, with the assets beside them: `cargo run --example gallery -- OUTDIR [LANGUAGE]`.

use std::path::PathBuf;

use vestibule::view::{self, Languages};

fn main() -> std::io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let out = PathBuf::from(arguments.next().unwrap_or_else(|| "gallery".into()));
    let words = Languages::default().choose(arguments.next().as_deref());
    std::fs::create_dir_all(&out)?;
    for asset in view::assets() {
        std::fs::write(out.join(&asset.name), asset.body)?;
    }
    for (name, markup) in view::gallery::pages(words) {
        // The pages name their assets below the prefix; here they lie beside them.
        let html = markup.into_string().replace("\"/.vestibule/assets/", "\"");
        std::fs::write(out.join(format!("{name}.html")), html)?;
    }
    // The same in a house with a face of its own.
    let config = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/branded.toml");
    let loaded = vestibule::config::load(&config, []).map_err(|problems| std::io::Error::other(problems.to_string()))?;
    let brand = loaded.config.portal.brand;
    for name in brand.names() {
        std::fs::write(out.join(name), brand.file(name).map_or(&[][..], |(_, bytes)| bytes))?;
    }
    for (name, markup) in view::gallery::branded_pages(&view::gallery::branded(words, brand.clone())) {
        let html = markup.into_string().replace("\"/.vestibule/assets/", "\"");
        std::fs::write(out.join(format!("branded-{name}.html")), html)?;
    }
    println!("{}", out.display());
    Ok(())
}
