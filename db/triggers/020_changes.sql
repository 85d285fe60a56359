-- What committed statements did to public.properties, until the invalidator has dealt
-- with it.
--
-- UNLOGGED on purpose: it costs writers no WAL, and whatever can lose a committed change
-- (crash, failover, restore) empties it together with the marker beside it, which is how
-- the loss is noticed.

CREATE UNLOGGED TABLE freshlist.properties_changes (
    xid               xid8 NOT NULL,
    old_id            bigint,
    new_id            bigint,
    old_created_at    timestamptz,
    new_created_at    timestamptz,
    old_latitude      double precision,
    new_latitude      double precision,
    old_longitude     double precision,
    new_longitude     double precision,
    changed           integer,
    nulls             integer,
    old_living_area   integer,
    new_living_area   integer,
    kind              smallint NOT NULL,
    old_bedrooms      smallint,
    new_bedrooms      smallint,
    old_price         numeric,
    new_price         numeric,
    old_bathrooms     numeric,
    new_bathrooms     numeric,
    old_property_type text,
    new_property_type text,
    old_status        text,
    new_status        text,
    old_city          text,
    new_city          text,
    old_postal_code   text,
    new_postal_code   text,
    property_types    text[],
    statuses          text[],
    cities            text[],
    postal_codes      text[]
)
-- Rows come and go. Vacuum follows their number, not a share of the table, and never
-- cuts the file: that would stop all writers for its while.
WITH (
    autovacuum_vacuum_threshold = 10000,
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_insert_threshold = -1,
    autovacuum_vacuum_cost_delay = 0,
    vacuum_truncate = false
);

COMMENT ON TABLE freshlist.properties_changes IS 'changes of public.properties that the invalidator has not dealt with';
COMMENT ON COLUMN freshlist.properties_changes.xid IS
    'the writing transaction: rows are found by what one snapshot shows and an earlier one did not';
COMMENT ON COLUMN freshlist.properties_changes.kind IS
    '0: one row, its values before (old_) and after (new_); 1: very many rows, old_ and new_ hold the least and the '
    'greatest value, the arrays all texts (NULL: too many); 2: anything may have changed';
COMMENT ON COLUMN freshlist.properties_changes.changed IS
    'a bit for each column that differs, numbered as in public.properties from 0';
COMMENT ON COLUMN freshlist.properties_changes.nulls IS 'of kind 1: a bit for each column in which some row was NULL';

CREATE INDEX properties_changes_xid ON freshlist.properties_changes (xid);
COMMENT ON INDEX freshlist.properties_changes_xid IS 'the only way by which changes are read and deleted';
