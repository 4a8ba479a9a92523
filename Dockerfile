# The server alone: no demo, no development mode (it listens for others). Tokens are configured from outside.

FROM rust:1.91-slim-bookworm AS build
WORKDIR /source
# The manifests first: as long as they stay, the dependencies come from the cache of layers.
COPY Cargo.toml Cargo.lock ./
COPY benches/core/Cargo.toml benches/core/
COPY server/Cargo.toml server/
COPY tests/fuzzing/Cargo.toml tests/fuzzing/
COPY tests/load/Cargo.toml tests/load/
COPY tests/mutants/Cargo.toml tests/mutants/
COPY tests/simulation/Cargo.toml tests/simulation/
RUN mkdir -p src server/src benches/core/benches benches/core/src/bin \
        tests/fuzzing/src tests/load/src tests/simulation/src \
    && touch src/lib.rs benches/core/src/lib.rs server/src/lib.rs tests/fuzzing/src/lib.rs tests/mutants/lib.rs tests/simulation/src/lib.rs \
    && echo 'fn main() {}' > server/src/main.rs \
    && cp server/src/main.rs benches/core/benches/time.rs \
    && cp server/src/main.rs benches/core/src/bin/instructions.rs \
    && cp server/src/main.rs tests/load/src/main.rs \
    && cp server/src/main.rs tests/simulation/src/main.rs \
    && cargo build --release --locked --package ackwire-server
COPY src src
COPY server/src server/src
# Newer than what was built of the empty ones.
RUN find src server/src -name '*.rs' -exec touch {} + \
    && cargo build --release --locked --package ackwire-server \
    && install -D -s target/release/ackwire-server /image/usr/bin/ackwire-server \
    && install -d /image/data

# glibc and certificates, no shell, no package manager.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build --chown=65532:65532 /image /
USER 65532:65532
WORKDIR /data
ENV ACKWIRE_BIND=0.0.0.0 \
    ACKWIRE_DATA=/data \
    ACKWIRE_LOG_FORMAT=json \
    PORT=8787
VOLUME ["/data"]
EXPOSE 8787
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s --retries=3 \
    CMD ["/usr/bin/ackwire-server", "healthcheck"]
# The program is process 1 and takes SIGTERM itself: it asks its clients to go elsewhere, then stops.
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/bin/ackwire-server"]
