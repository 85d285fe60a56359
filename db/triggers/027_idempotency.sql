-- Which requests to create a row have been answered, by the keys that clients gave them. One that
-- is sent again is answered as it was the first time, and creates nothing. The row here is written in
-- the transaction that creates the other one, so there is never one without the other.
--
-- Capture does not rest on it. An installation keeps what is in it.

CREATE TABLE IF NOT EXISTS freshlist.idempotency_keys (
    "table"    text NOT NULL,
    key        text NOT NULL,
    request    text NOT NULL,
    xid        xid8 NOT NULL,
    location   text NOT NULL,
    body       text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY ("table", key)
);

COMMENT ON TABLE freshlist.idempotency_keys IS 'answered requests to create a row; they count for 24 hours';
COMMENT ON COLUMN freshlist.idempotency_keys."table" IS 'the table of the row, as addresses name it';
COMMENT ON COLUMN freshlist.idempotency_keys.key IS 'the request''s Idempotency-Key';
COMMENT ON COLUMN freshlist.idempotency_keys.request IS 'SHA-256 of the request''s body, in hexadecimal digits';
COMMENT ON COLUMN freshlist.idempotency_keys.xid IS 'the transaction: the answer''s Consistency-Token';
COMMENT ON COLUMN freshlist.idempotency_keys.location IS 'the address of the row';
COMMENT ON COLUMN freshlist.idempotency_keys.body IS 'the answer''s body';
COMMENT ON COLUMN freshlist.idempotency_keys.created_at IS 'when the request was answered';

CREATE INDEX IF NOT EXISTS idempotency_keys_created_at ON freshlist.idempotency_keys (created_at);
COMMENT ON INDEX freshlist.idempotency_keys_created_at IS 'finds what is old enough to be removed';
