# syntax=docker/dockerfile:1
# Two stages: the toolchain builds, a slim Debian runs one binary as nobody in particular. The caches keep dependencies
# compiled between builds (BuildKit, which is the default since Docker 23; podman build knows them too).
FROM rust:1-bookworm AS build
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked --bin vestibule && cp target/release/vestibule /vestibule

FROM debian:bookworm-slim
# The data folder must be its owner's alone; a new volume takes its owner and mode from here.
RUN install -d -m 0700 -o 65532 -g 65532 /var/lib/vestibule && install -d -m 0755 /etc/vestibule
COPY --from=build /vestibule /usr/bin/vestibule
USER 65532:65532
ENV VESTIBULE_CONFIG=/etc/vestibule/vestibule.toml \
    VESTIBULE_SERVER__DATA_DIR=/var/lib/vestibule
VOLUME /var/lib/vestibule
# What the configuration listens on decides; these are the usual ones.
EXPOSE 8080 8443
# Needs server.admin_listen = "127.0.0.1:9180". The image has no HTTP client, bash has sockets.
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 \
    CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/9180 && printf 'GET /health/live HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n' >&3 && read -r _ status _ <&3 && [ \"$status\" = 200 ]"]
# Works with a read-only root: nothing is written but below /var/lib/vestibule.
ENTRYPOINT ["/usr/bin/vestibule"]
CMD ["serve"]
