# The message indexer. Built from the workspace's root: docker build -f dashboards/indexer.Dockerfile .
FROM rust:1.95-bookworm AS build
WORKDIR /thalweg
COPY . .
# The cache keeps compiled crates from one build to the next; what is in it is no part of the image.
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/thalweg/target \
    cargo build --release --locked --bin message-indexer \
    && cp target/release/message-indexer /usr/local/bin/

FROM debian:12.12-slim
RUN useradd --system --uid 10001 --no-create-home thalweg
COPY --from=build /usr/local/bin/message-indexer /usr/local/bin/
USER 10001
EXPOSE 9600
# SIGTERM ends it in order: what was read is finished and committed first.
ENTRYPOINT ["message-indexer"]
