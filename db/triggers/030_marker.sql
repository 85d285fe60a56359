-- How far the invalidator has come, and the proof that no committed change was lost.
--
-- UNLOGGED like the changes, so that it vanishes with them. An invalidator that finds no
-- row, or one of another cluster, database or epoch, starts a new epoch.
--
-- A transaction that was prepared for two-phase commit survives a crash. The rows that it
-- captured do not. So an epoch that begins without a marker notes which are prepared then,
-- and ends when one of them has: what it changed, nobody else knows.
--
-- There is one row. Every write raises its revision, so that its live version has a key of
-- its own: an open transaction can keep any number of dead versions alive, and nobody ever
-- looks at one.

CREATE UNLOGGED TABLE freshlist.marker (
    revision          bigint NOT NULL,
    epoch             text NOT NULL,
    description       text NOT NULL,
    term              bigint NOT NULL,
    system_identifier bigint NOT NULL,
    database_oid      oid NOT NULL,
    catalog           text NOT NULL,
    agreed            text NOT NULL,
    uncaptured        xid8[] NOT NULL,
    generations       text[] NOT NULL,
    positions         pg_snapshot[] NOT NULL,
    fence_terms       bigint[] NOT NULL,
    fence_seqs        bigint[] NOT NULL,
    fence_batches     bigint[] NOT NULL
)
WITH (
    autovacuum_vacuum_threshold = 1000,
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_cost_delay = 0,
    vacuum_truncate = false
);

COMMENT ON TABLE freshlist.marker IS 'where the invalidator stands: one row';
COMMENT ON COLUMN freshlist.marker.revision IS 'raised by every write; the live row is the greatest';
COMMENT ON COLUMN freshlist.marker.epoch IS 'the present life of the whole cache: 32 hexadecimal digits';
COMMENT ON COLUMN freshlist.marker.description IS 'identity of the description that the epoch belongs to';
COMMENT ON COLUMN freshlist.marker.term IS 'raised by whoever takes the lead';
COMMENT ON COLUMN freshlist.marker.system_identifier IS 'the cluster that wrote this row: a restored copy is another';
COMMENT ON COLUMN freshlist.marker.database_oid IS 'the database that wrote this row: a restored copy is another';
COMMENT ON COLUMN freshlist.marker.catalog IS 'fingerprint of the tables and their triggers when the epoch began';
COMMENT ON COLUMN freshlist.marker.agreed IS 'the settings in which all processes must agree: with others begins a new epoch';
COMMENT ON COLUMN freshlist.marker.uncaptured IS
    'transactions, prepared or open, of which changes may not be captured: the end of one begins a new epoch';
COMMENT ON COLUMN freshlist.marker.generations IS 'for each Redis partition, which of its values count: 32 hexadecimal digits, or none';
COMMENT ON COLUMN freshlist.marker.positions IS 'for each Redis partition, all that this snapshot shows has reached it; NULL where no values count';
COMMENT ON COLUMN freshlist.marker.fence_terms IS 'for each Redis partition, the term of the last write';
COMMENT ON COLUMN freshlist.marker.fence_seqs IS 'for each Redis partition, the sequence number of the last write';
COMMENT ON COLUMN freshlist.marker.fence_batches IS 'for each Redis partition, the last batch written';

CREATE UNIQUE INDEX marker_revision ON freshlist.marker (revision);
COMMENT ON INDEX freshlist.marker_revision IS 'finds the live version in one step, from its end';
