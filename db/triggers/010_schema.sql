-- Everything of freshlist that is not the application's own lives in this schema. It is
-- closed to PUBLIC: who writes listings needs no right in it, since the capture
-- functions run as their owner.

CREATE SCHEMA IF NOT EXISTS freshlist;

REVOKE ALL ON SCHEMA freshlist FROM PUBLIC;
