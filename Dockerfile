# syntax=docker/dockerfile:1
# Two stages: the toolchain builds a static binary, and the image has that binary and little else (packaging/oci/root).
# The caches keep dependencies compiled between builds (BuildKit, and podman build).
FROM rust:1-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends musl-tools && rm -rf /var/lib/apt/lists/* \
    && rustup target add "$(uname -m)-unknown-linux-musl"
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    target="$(uname -m)-unknown-linux-musl" \
    && cargo build --release --locked --bin vestibule --target "$target" \
    && packaging/oci/root "target/$target/release/vestibule" /image

FROM scratch
COPY --from=build /image/root/ /
COPY --from=build --chown=65532:65532 /image/data/ /var/lib/
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="vestibule" \
      org.opencontainers.image.description="A reverse-proxy authentication gateway: password and second factor in front of applications that know neither" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"
USER 65532:65532
ENV VESTIBULE_CONFIG=/etc/vestibule/vestibule.toml \
    VESTIBULE_SERVER__DATA_DIR=/var/lib/vestibule \
    PATH=/usr/bin
# The data folder must be its owner's alone; a new volume takes its owner and mode from here.
VOLUME /var/lib/vestibule
# What the configuration listens on decides; these are the usual ones.
EXPOSE 8080 8443
# Asks over the control socket in the data folder: no port has to be open for it.
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 CMD ["/usr/bin/vestibule", "health"]
# Works with a read-only root: nothing is written but below /var/lib/vestibule.
ENTRYPOINT ["/usr/bin/vestibule"]
CMD ["serve"]
