FROM debian:12-slim
RUN apt-get update && apt-get install -y --no-install-recommends pgbouncer && rm -rf /var/lib/apt/lists/*
LABEL org.opencontainers.image.title=pgbouncer \
      org.opencontainers.image.description="PgBouncer before freshlist's APIs" \
      org.opencontainers.image.source=https://github.com/freshlist/freshlist \
      org.opencontainers.image.base.name=docker.io/library/debian:12-slim
USER 65532:65532
# On SIGINT it lets the transactions end that have begun; SIGTERM would cut them off.
STOPSIGNAL SIGINT
CMD ["/usr/sbin/pgbouncer", "/etc/pgbouncer/pgbouncer.ini"]
