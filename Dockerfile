# Both programs in one image without a shell, a package manager or a root user.
#
# docker build --build-arg VERSION=0.1.0 --build-arg REVISION=$(git rev-parse HEAD) -t freshlist:0.1.0 .

FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY . .
ARG VERSION=
ARG REVISION=
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 go build -trimpath \
    -ldflags="-s -w -X github.com/freshlist/freshlist/internal/cli.release=$VERSION -X github.com/freshlist/freshlist/internal/cli.commit=$REVISION" \
    -o /out/ ./cmd/...

# Certificate authorities for rediss:// and TLS to PostgreSQL, and a user, 65532.
FROM gcr.io/distroless/static-debian12:nonroot
ARG VERSION=
ARG REVISION=
LABEL org.opencontainers.image.title=freshlist \
      org.opencontainers.image.description="Listings API with a Redis cache that SQL edits invalidate" \
      org.opencontainers.image.licenses=MIT \
      org.opencontainers.image.source=https://github.com/freshlist/freshlist \
      org.opencontainers.image.documentation=https://github.com/freshlist/freshlist/blob/main/docs/operations.md \
      org.opencontainers.image.base.name=gcr.io/distroless/static-debian12:nonroot \
      org.opencontainers.image.version=$VERSION \
      org.opencontainers.image.revision=$REVISION
COPY --from=build /out/api /out/invalidator /bin/
CMD ["/bin/api", "serve"]
