# The same recipes as CI. `just` lists them.

default:
    @just --list

# Formats everything.
fmt:
    cargo fmt --all

# Lints, warnings being errors.
lint:
    cargo clippy --locked --all-targets -- -D warnings

# Everything that must hold before a change lands.
check:
    scripts/test

# The tests alone; `just test NAME` for some of them.
test *names:
    cargo test --locked -- {{ names }}

# Licences, bans, sources and advisories of the dependencies.
deny:
    cargo deny --locked check

# The gateway beside nginx, haproxy and a bare pingora proxy; needs wrk, nginx, openssl and python3.
bench *arguments:
    cargo build --release --locked --bin vestibule --example bare_proxy --example load --example growth
    benches/side-by-side/run.py {{ arguments }}

# The pieces of the hot path, each against its budget; `just bench-pieces 'cookie check'` for some of them.
bench-pieces *names:
    cargo bench --locked --bench hot_path -- {{ names }}

# A gateway with a small application behind it, to look at.
demo *arguments:
    cargo run --locked -- demo {{ arguments }}

# The crate's documentation, private items too.
docs:
    RUSTDOCFLAGS="-D warnings -A rustdoc::private_intra_doc_links" cargo doc --locked --no-deps --document-private-items

# docs/images, made anew from the pages with sample values.
screenshots:
    scripts/screenshots
