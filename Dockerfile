# Both programs in one image without a shell, a package manager or a root user.

FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY . .
ARG VERSION=
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 go build -trimpath -ldflags="-s -w -X github.com/freshlist/freshlist/internal/cli.release=$VERSION" -o /out/ ./cmd/...

# Certificate authorities for rediss:// and TLS to PostgreSQL, and a user, 65532.
FROM gcr.io/distroless/static-debian12:nonroot
ARG VERSION=
LABEL org.opencontainers.image.title=freshlist \
      org.opencontainers.image.description="Listings API with a Redis cache that SQL edits invalidate" \
      org.opencontainers.image.licenses=MIT \
      org.opencontainers.image.source=https://github.com/freshlist/freshlist \
      org.opencontainers.image.version=$VERSION
COPY --from=build /out/api /out/invalidator /bin/
CMD ["/bin/api", "serve"]
