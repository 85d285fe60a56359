# syntax=docker/dockerfile:1
# Both programs in one image without a shell, a package manager or a root user.

FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY . .
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 go build -trimpath -ldflags='-s -w' -o /out/ ./cmd/...

# Certificate authorities for rediss:// and TLS to PostgreSQL, and a user, 65532.
FROM gcr.io/distroless/static-debian12:nonroot
COPY --from=build /out/api /out/invalidator /bin/
CMD ["/bin/api", "serve"]
