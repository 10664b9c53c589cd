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

# Instructions and allocations a request, beside a bare pingora proxy, against bounds; needs valgrind, nginx, openssl and python3.
bench-count *arguments:
    cargo build --profile bench --locked --bin vestibule --example bare_proxy --example load
    benches/side-by-side/count.py {{ arguments }}

# The pieces of the hot path, each against its budget; `just bench-pieces 'cookie check'` for some of them.
bench-pieces *names:
    cargo bench --locked --bench hot_path -- {{ names }}

# A gateway with a small application behind it, to look at.
demo *arguments:
    cargo run --locked -- demo {{ arguments }}

# The crate's documentation, private items too.
docs:
    RUSTDOCFLAGS="-D warnings -A rustdoc::private_intra_doc_links" cargo doc --locked --no-deps --document-private-items

# The documents as a site in target/site, every link followed; needs mdbook.
book:
    scripts/book

# docs/images, made anew from the pages with sample values.
screenshots:
    scripts/screenshots

# A Debian package from the release build; `packaging/deb/try` installs it in a fresh root.
deb:
    cargo build --release --locked --bin vestibule
    packaging/deb/build target/release/vestibule

# Lints and renders the Helm chart, and checks what it gives the pods; needs helm and python3-yaml.
chart:
    cargo build --locked --bin vestibule
    packaging/helm/test target/debug/vestibule

# A bill of materials (CycloneDX) from Cargo.lock; needs cargo-cyclonedx.
sbom:
    cargo cyclonedx --format json --all

# A release build whose bytes do not tell where, when or by whom it was built.
reproducible:
    SOURCE_DATE_EPOCH="$(git log -1 --format=%ct)" \
    RUSTFLAGS="--remap-path-prefix=$PWD=/build --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo" \
    cargo build --locked --release --bin vestibule
    sha256sum target/release/vestibule

# Checks that the fuzz targets compile.
fuzz-check:
    cd fuzz && CARGO_TARGET_DIR=../target cargo check --locked

# Runs a fuzz target (path, cookie, host, return_to, forwarded_for or config) with the stable toolchain: `just fuzz path -max_total_time=900`.
fuzz target *arguments:
    scripts/fuzz {{ target }} {{ arguments }}
