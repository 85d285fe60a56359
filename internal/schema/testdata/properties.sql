-- 010_schema.sql

-- Everything of freshlist that is not the application's own lives in this schema. It is
-- closed to PUBLIC: who writes listings needs no right in it, since the capture
-- functions run as their owner.

CREATE SCHEMA IF NOT EXISTS freshlist;

REVOKE ALL ON SCHEMA freshlist FROM PUBLIC;

-- 015_tables.sql

-- The described tables, and what the description knows of their columns. Programs compare,
-- order and write values by it. So an installation refuses what does not fit, and a running
-- invalidator stops caching when something ceases to fit.
--
-- The bodies of the first two functions are parsed when they are made, and inlined where they
-- are called: therefore they have no search_path of their own, and need none.

CREATE OR REPLACE FUNCTION freshlist.tables()
RETURNS TABLE (number integer, schema name, name name, key integer, changes text, spelled text, id oid)
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT t.number, t.schema, t.name, t.key, t.changes, format('%I.%I', t.schema, t.name), c.oid
    FROM (VALUES
        (0, 'public'::name, 'properties'::name, 0, 'freshlist."properties_changes"')
    ) AS t (number, schema, name, key, changes)
    LEFT JOIN pg_catalog.pg_namespace AS n ON n.nspname = t.schema
    LEFT JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relname = t.name;
END;

REVOKE ALL ON FUNCTION freshlist.tables() FROM PUBLIC;

-- The used columns, numbered as in programs. Of what is no text, loose and bytewise are NULL; of
-- what is no enum, labels are.
CREATE OR REPLACE FUNCTION freshlist.columns()
RETURNS TABLE (
    "table" integer, number integer, attribute smallint, name name, type text, required boolean, stored boolean,
    loose boolean, bytewise boolean, labels text[]
)
LANGUAGE sql IMMUTABLE
BEGIN ATOMIC
    SELECT c."table", c.number, c.attribute, c.name, c.type, c.required, c.stored, c.loose, c.bytewise, c.labels
    FROM (VALUES
        (0, 0, 1::smallint, 'id'::name, 'bigint', true, false, NULL::boolean, NULL::boolean, NULL::text[]),
        (0, 1, 2::smallint, 'title'::name, 'text', true, false, false, false, NULL::text[]),
        (0, 2, 3::smallint, 'description'::name, 'text', true, false, false, false, NULL::text[]),
        (0, 3, 4::smallint, 'property_type'::name, 'text', true, false, false, false, NULL::text[]),
        (0, 4, 5::smallint, 'status'::name, 'text', true, false, false, false, NULL::text[]),
        (0, 5, 6::smallint, 'price'::name, 'numeric(14,2)', true, false, NULL::boolean, NULL::boolean, NULL::text[]),
        (0, 6, 7::smallint, 'city'::name, 'text', true, false, false, false, NULL::text[]),
        (0, 7, 8::smallint, 'postal_code'::name, 'text', false, false, false, false, NULL::text[]),
        (0, 8, 9::smallint, 'bedrooms'::name, 'smallint', false, false, NULL::boolean, NULL::boolean, NULL::text[]),
        (0, 9, 10::smallint, 'bathrooms'::name, 'numeric(3,1)', false, false, NULL::boolean, NULL::boolean, NULL::text[]),
        (0, 10, 11::smallint, 'living_area'::name, 'integer', false, false, NULL::boolean, NULL::boolean, NULL::text[]),
        (0, 11, 12::smallint, 'latitude'::name, 'double precision', false, false, NULL::boolean, NULL::boolean, NULL::text[]),
        (0, 12, 13::smallint, 'longitude'::name, 'double precision', false, false, NULL::boolean, NULL::boolean, NULL::text[]),
        (0, 13, 14::smallint, 'created_at'::name, 'timestamp with time zone', true, false, NULL::boolean, NULL::boolean, NULL::text[]),
        (0, 14, 15::smallint, 'updated_at'::name, 'timestamp with time zone', true, false, NULL::boolean, NULL::boolean, NULL::text[]),
        (0, 15, 16::smallint, 'search'::name, 'tsvector', false, true, NULL::boolean, NULL::boolean, NULL::text[])
    ) AS c ("table", number, attribute, name, type, required, stored, loose, bytewise, labels);
END;

REVOKE ALL ON FUNCTION freshlist.columns() FROM PUBLIC;

-- The type that a domain is based on or an array consists of, through any number of them.
CREATE OR REPLACE FUNCTION freshlist.innermost(type oid) RETURNS oid
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    behind oid;
BEGIN
    LOOP
        SELECT CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE e.oid END INTO behind
        FROM pg_catalog.pg_type AS t
        LEFT JOIN pg_catalog.pg_type AS e ON e.oid = t.typelem AND e.typarray = t.oid
        WHERE t.oid = type;
        IF behind IS NULL THEN
            RETURN type;
        END IF;
        type := behind;
    END LOOP;
END
$function$;

REVOKE ALL ON FUNCTION freshlist.innermost(oid) FROM PUBLIC;

-- All that is not as it was described, '' if nothing.
CREATE OR REPLACE FUNCTION freshlist.misfits() RETURNS text
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    encoding constant text := pg_catalog.getdatabaseencoding();
    misfits text[];
BEGIN
    SELECT array_agg(format('column %I of %s %s', c.name, t.spelled, misfit) ORDER BY t.number, c.number) INTO misfits
    FROM freshlist.columns() AS c
    JOIN freshlist.tables() AS t ON t.number = c."table"
    JOIN pg_catalog.pg_database AS b ON b.datname = pg_catalog.current_database()
    LEFT JOIN pg_catalog.pg_attribute AS a ON a.attrelid = t.id AND a.attname = c.name AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pg_catalog.pg_collation AS l ON l.oid = a.attcollation
    CROSS JOIN LATERAL (
        SELECT
            a.attgenerated = 's',
            CASE WHEN l.collprovider = 'd'
                 THEN b.datlocprovider = 'b' OR b.datlocprovider = 'c' AND b.datcollate IN ('C', 'POSIX')
                 ELSE l.collprovider = 'b' OR l.collprovider = 'c' AND l.collcollate IN ('C', 'POSIX') END,
            CASE WHEN c.labels IS NOT NULL
                 THEN ARRAY(SELECT e.enumlabel::text FROM pg_catalog.pg_enum AS e
                            WHERE e.enumtypid = freshlist.innermost(a.atttypid) ORDER BY e.enumsortorder) END
    ) AS present (stored, bytewise, labels)
    CROSS JOIN LATERAL (VALUES
        (a.attnum IS NULL, 'is missing (dropped or renamed)'),
        (format_type(a.atttypid, a.atttypmod) <> c.type, 'is ' || format_type(a.atttypid, a.atttypmod) || ', not ' || c.type),
        (NOT c.loose AND NOT l.collisdeterministic, 'takes different texts for equal by its collation ' || quote_ident(l.collname)),
        (c.bytewise <> present.bytewise, CASE WHEN c.bytewise THEN 'is not' ELSE 'is' END || ' ordered by its bytes'),
        (c.required AND NOT a.attnotnull, 'may be NULL'),
        (c.stored <> present.stored, CASE WHEN c.stored THEN 'is not' ELSE 'is' END || ' a generated column'),
        (a.attgenerated NOT IN ('', 's'), 'is computed whenever it is read'),
        (c.labels <> present.labels, 'has other labels, or has them in another order')
    ) AS judged (misfit_found, misfit)
    WHERE misfit_found;

    SELECT misfits || array_agg(format('no unique index tells the rows of %s apart by %I', t.spelled, c.name) ORDER BY t.number) INTO misfits
    FROM freshlist.tables() AS t
    JOIN freshlist.columns() AS c ON c."table" = t.number AND c.number = t.key
    WHERE t.id IS NOT NULL AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_index AS i
        JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
        WHERE i.indrelid = t.id AND a.attname = c.name AND i.indnkeyatts = 1
            AND i.indisunique AND i.indisvalid AND i.indimmediate AND i.indpred IS NULL
    );

    IF encoding <> 'UTF8' THEN
        misfits := format('the encoding of database %I is %s, not UTF8: move it into one made by CREATE DATABASE ... ENCODING ''UTF8''',
            pg_catalog.current_database(), encoding) || misfits;
    END IF;
    RETURN coalesce(array_to_string(misfits, '; '), '');
END
$function$;

REVOKE ALL ON FUNCTION freshlist.misfits() FROM PUBLIC;

DO $do$
BEGIN
    IF freshlist.misfits() <> '' THEN
        RAISE EXCEPTION '%', freshlist.misfits() USING ERRCODE = 'FL001';
    END IF;
END
$do$;

-- 020_changes.sql

-- What committed statements did to the table properties, until the invalidator has dealt with it.
--
-- UNLOGGED on purpose: it costs writers no WAL, and whatever can lose a committed change
-- (crash, failover, restore) empties it together with the marker beside it, which is how
-- the loss is noticed.
--
-- Values travel in composites, one column for a row: a statement's plan is set up anew on
-- each execution, and every column of every node in it costs the writer time. (Thirty
-- columns of their own cost a one-row UPDATE some 6 us more.) They are typed and exact,
-- and (new_row).price reads well.

-- A row's values: see listing.Table.Image.
CREATE TYPE freshlist."properties_row" AS (
    "id" bigint,
    "created_at" timestamp with time zone,
    "updated_at" timestamp with time zone,
    "latitude" double precision,
    "longitude" double precision,
    "living_area" integer,
    "bedrooms" smallint,
    "price" numeric,
    "bathrooms" numeric,
    "title" text,
    "property_type" text,
    "status" text,
    "city" text,
    "postal_code" text
);

-- What an envelope of very many rows says besides the least and the greatest values: which
-- values occur in the columns that have no least (NULL: too many to say), and a bit for each
-- column in which some row was NULL.
CREATE TYPE freshlist."properties_sets" AS (
    "property_type" text[],
    "status" text[],
    "city" text[],
    "postal_code" text[],
    "null columns" bigint
);

CREATE UNLOGGED TABLE freshlist."properties_changes" (
    xid     xid8 NOT NULL,
    old_row freshlist."properties_row",
    new_row freshlist."properties_row",
    changed bigint,
    sets    freshlist."properties_sets"
)
-- Rows come and go. Vacuum follows their number, not a share of the table, and never
-- cuts the file: that would stop all writers for its while.
WITH (
    autovacuum_vacuum_threshold = 10000,
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_insert_threshold = -1,
    autovacuum_vacuum_cost_delay = 0,
    autovacuum_analyze_threshold = 1000000,
    vacuum_truncate = false
);

COMMENT ON TABLE freshlist."properties_changes" IS
    'changes of properties that the invalidator has not dealt with; a row without any values says that '
    'anything may have changed';
COMMENT ON COLUMN freshlist."properties_changes".xid IS
    'the writing transaction: rows are found by what one snapshot shows and an earlier one did not';
COMMENT ON COLUMN freshlist."properties_changes".old_row IS 'a row before UPDATE or DELETE; of an envelope the least values';
COMMENT ON COLUMN freshlist."properties_changes".new_row IS 'a row after UPDATE or INSERT; of an envelope the greatest values';
COMMENT ON COLUMN freshlist."properties_changes".changed IS
    'of an UPDATE: a bit for each used column that is not in the rows and differs, numbered as in the description from 0';
COMMENT ON COLUMN freshlist."properties_changes".sets IS
    'not NULL: an envelope, the bounds of all rows, old and new, of one bulk statement';

CREATE INDEX "properties_changes_xid" ON freshlist."properties_changes" (xid);
COMMENT ON INDEX freshlist."properties_changes_xid" IS 'the only way by which changes are read and deleted';

-- 025_description.sql

-- What the tables are, for all programs: one row. An installation writes it in the transaction
-- that makes capture, so nobody sees one without the other.

CREATE TABLE freshlist.description (
    identity text NOT NULL,
    body     text NOT NULL,
    file     text,
    source   text
);

COMMENT ON TABLE freshlist.description IS 'the description that capture was installed for: one row';
COMMENT ON COLUMN freshlist.description.identity IS 'names the description: another one has another name';
COMMENT ON COLUMN freshlist.description.body IS 'the description, held against the catalog, as JSON';
COMMENT ON COLUMN freshlist.description.file IS 'name of the file that it was made from; NULL: the one that ships';
COMMENT ON COLUMN freshlist.description.source IS
    'text of that file, from which an invalidator that starts renews the description; NULL: the one that ships';

-- 027_idempotency.sql

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

-- 030_marker.sql

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

-- 031_banner.sql

-- Of which epoch a standby is: a copy of what the marker says, for reads of standbys. The marker is
-- UNLOGGED, and cannot be read there. Each leader and each epoch writes it anew.
--
-- Nothing rests on it on a primary. On a standby it tells one of the present primary from one of
-- an earlier primary, whose log went another way: there it never shows the present epoch.

CREATE TABLE freshlist.banner (
    one         boolean PRIMARY KEY CHECK (one),
    epoch       text NOT NULL,
    description text NOT NULL,
    started     text NOT NULL
);

COMMENT ON TABLE freshlist.banner IS 'of which epoch the data of a standby is: one row';
COMMENT ON COLUMN freshlist.banner.one IS 'true: there is one row';
COMMENT ON COLUMN freshlist.banner.epoch IS 'the present life of the whole cache';
COMMENT ON COLUMN freshlist.banner.description IS 'identity of the description that the epoch belongs to';
COMMENT ON COLUMN freshlist.banner.started IS 'when the primary was started, in seconds since 1970';

-- What a read of a standby says of its origin, as a read of the primary does: epoch, start and
-- database of the primary, and the identity of the description. NULL on a primary: it is no
-- standby any more.
CREATE OR REPLACE FUNCTION freshlist.banner() RETURNS text
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    RETURN (
        SELECT concat_ws(' ', b.epoch, b.started, c.system_identifier || '/' || d.oid, b.description)
        FROM freshlist.banner AS b, pg_catalog.pg_control_system() AS c, pg_catalog.pg_database AS d
        WHERE d.datname = pg_catalog.current_database() AND pg_catalog.pg_is_in_recovery()
    );
END
$function$;

REVOKE ALL ON FUNCTION freshlist.banner() FROM PUBLIC;

-- 035_image.sql

-- What capture takes from a row of the table properties. As functions whose bodies PostgreSQL
-- has parsed they hold on to columns and not to names: no renaming, no new column and no
-- dropped one makes them read another. They are inlined, and cost nothing when they run:
-- therefore they have no search_path of their own, and need none.

CREATE FUNCTION freshlist."properties_key"(r "public"."properties") RETURNS bigint
LANGUAGE sql IMMUTABLE
BEGIN ATOMIC
    SELECT r."id";
END;

REVOKE ALL ON FUNCTION freshlist."properties_key"("public"."properties") FROM PUBLIC;

CREATE FUNCTION freshlist."properties_image"(r "public"."properties") RETURNS freshlist."properties_row"
LANGUAGE sql IMMUTABLE
BEGIN ATOMIC
    SELECT ROW(r."id", r."created_at", r."updated_at", r."latitude", r."longitude", r."living_area", r."bedrooms", r."price", r."bathrooms", r."title", r."property_type", r."status", r."city", r."postal_code")::freshlist."properties_row";
END;

REVOKE ALL ON FUNCTION freshlist."properties_image"("public"."properties") FROM PUBLIC;

CREATE FUNCTION freshlist."properties_masked_2"(r "public"."properties") RETURNS text
LANGUAGE sql IMMUTABLE
BEGIN ATOMIC
    SELECT r."description";
END;

REVOKE ALL ON FUNCTION freshlist."properties_masked_2"("public"."properties") FROM PUBLIC;

CREATE FUNCTION freshlist."properties_masked_15"(r "public"."properties") RETURNS tsvector
LANGUAGE sql IMMUTABLE
BEGIN ATOMIC
    SELECT r."search";
END;

REVOKE ALL ON FUNCTION freshlist."properties_masked_15"("public"."properties") FROM PUBLIC;

-- 040_guard.sql

-- What the capture of the table properties rests on, in one view that nobody reads.
--
-- Because the view depends on them, PostgreSQL itself refuses to drop or retype a used
-- column, to drop an attribute of a captured row, or to drop the table of changes. To do so
-- all the same: uninstall capture, alter, install again. With CASCADE the view goes too; the
-- capture functions look for it before they touch anything, so that no writer sees an error
-- of theirs. (What does fail writers: to rename or loosen the functions of this schema, to
-- rename a column of the table of changes or to add an attribute to its types. To write
-- through this view would mend that; but of a rule on a view that comes and goes, and takes
-- changes away, PostgreSQL keeps no trace.)

CREATE VIEW freshlist."properties_guard" AS
SELECT c.xid, c.old_row, c.new_row, c.changed, c.sets
FROM freshlist."properties_changes" AS c
WHERE false AND (
    ROW((c.old_row).*) IS NULL
    OR ROW((c.sets).*) IS NULL
    OR freshlist."properties_key"(NULL) IS NULL
    OR freshlist."properties_image"(NULL) IS NULL
    OR freshlist."properties_masked_2"(NULL) IS NULL
    OR freshlist."properties_masked_15"(NULL) IS NULL
    OR EXISTS (
        SELECT FROM "public"."properties" AS p
        WHERE ROW(p."id", p."title", p."description", p."property_type", p."status", p."price", p."city", p."postal_code", p."bedrooms", p."bathrooms", p."living_area", p."latitude", p."longitude", p."created_at", p."updated_at", p."search") IS NULL
    )
);

COMMENT ON VIEW freshlist."properties_guard" IS
    'keeps used columns from being dropped or retyped; to do so, run "invalidator uninstall" before and "invalidator install" after';

-- 045_doorbell.sql

-- Whether a writer that did not get the doorbell's lock may ring for it.
--
-- NOTIFY waits, at commit, for a lock of the whole cluster, and a time-out that counts then
-- would fail a commit that is none of the invalidator's business: lock_timeout, and where
-- there is one (PostgreSQL 17) transaction_timeout. PREPARE TRANSACTION refuses a transaction
-- that has rung. In all these cases the invalidator finds the change by looking, with the
-- next beat at the latest.
--
-- The same holds where somebody's NOTIFY, of any database, holds that lock and does not let it
-- go: its commit may wait for a synchronous standby for ever. A writer that finds the lock held
-- gives its holder three milliseconds. To find out costs more the more locks are held anywhere,
-- so a session with a short statement_timeout does not even try.

CREATE OR REPLACE FUNCTION freshlist.may_ring() RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF pg_catalog.current_setting('lock_timeout') <> '0'
        OR coalesce(pg_catalog.current_setting('transaction_timeout', true), '0') <> '0'
        OR pg_catalog.current_setting('max_prepared_transactions') <> '0'
        OR pg_catalog.current_setting('statement_timeout') <> '0'
            AND pg_catalog.current_setting('statement_timeout')::pg_catalog.interval < '100 ms'
    THEN
        RETURN false;
    END IF;
    FOR tries IN 1..4 LOOP
        IF NOT EXISTS (
            SELECT FROM pg_catalog.pg_locks AS l
            WHERE l.locktype = 'object' AND l.database = 0 AND l.objid = 0 AND l.granted
                AND l.classid = 'pg_catalog.pg_database'::pg_catalog.regclass
        ) THEN
            RETURN true;
        END IF;
        IF tries < 4 THEN
            PERFORM pg_catalog.pg_sleep(0.001);
        END IF;
    END LOOP;
    RETURN false;
END
$function$;

REVOKE ALL ON FUNCTION freshlist.may_ring() FROM PUBLIC;

-- 050_whole_table.sql

-- Records that anything in the table properties may have changed. One row stands for one
-- statement and never for several: a row that is pending already may be consumed before
-- this transaction commits.

CREATE OR REPLACE FUNCTION freshlist."properties_whole_table"() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF pg_catalog.to_regclass('freshlist."properties_changes"') IS NULL THEN
        RETURN; -- the ground is gone: see 080_update.sql
    END IF;
    INSERT INTO freshlist."properties_changes" (xid) VALUES (pg_catalog.pg_current_xact_id());

    -- The doorbell: see 080_update.sql.
    IF NOT pg_catalog.pg_try_advisory_xact_lock_shared(7382074285561244019) AND freshlist.may_ring() THEN
        PERFORM pg_catalog.pg_notify('freshlist', '');
    END IF;
END
$function$;

REVOKE ALL ON FUNCTION freshlist."properties_whole_table"() FROM PUBLIC;

-- 060_bulk.sql

-- The statement by which a capture function writes one envelope instead of very many rows.
-- It is returned as text, since only the trigger's own function sees the transition tables
-- that source reads: SELECT * FROM new_rows, for example.
--
-- Rows are grouped by their texts first, so that one scan serves the sets and the ranges.

CREATE OR REPLACE FUNCTION freshlist."properties_bulk"(source text) RETURNS text
LANGUAGE sql IMMUTABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
SELECT pg_catalog.format($statement$
INSERT INTO freshlist."properties_changes" (xid, old_row, new_row, sets)
SELECT
    pg_catalog.pg_current_xact_id(),
    ROW(min(min_0), min(min_13), min(min_14), min(min_11), min(min_12), min(min_10), min(min_8), min(min_5), min(min_9), NULL, NULL, NULL, NULL, NULL)::freshlist."properties_row",
    ROW(max(max_0), max(max_13), max(max_14), max(max_11), max(max_12), max(max_10), max(max_8), max(max_5), max(max_9), NULL, NULL, NULL, NULL, NULL)::freshlist."properties_row",
    ROW(
        -- A larger set bounds next to nothing. Of the key there are as many values as rows.
        CASE WHEN count(DISTINCT set_3) <= 1000
             THEN coalesce(array_agg(DISTINCT set_3) FILTER (WHERE set_3 IS NOT NULL), '{}') END,
        CASE WHEN count(DISTINCT set_4) <= 1000
             THEN coalesce(array_agg(DISTINCT set_4) FILTER (WHERE set_4 IS NOT NULL), '{}') END,
        CASE WHEN count(DISTINCT set_6) <= 1000
             THEN coalesce(array_agg(DISTINCT set_6) FILTER (WHERE set_6 IS NOT NULL), '{}') END,
        CASE WHEN count(DISTINCT set_7) <= 1000
             THEN coalesce(array_agg(DISTINCT set_7) FILTER (WHERE set_7 IS NOT NULL), '{}') END,
        0::bigint
            | (bool_or(null_11)::integer::bigint << 11)
            | (bool_or(null_12)::integer::bigint << 12)
            | (bool_or(null_10)::integer::bigint << 10)
            | (bool_or(null_8)::integer::bigint << 8)
            | (bool_or(null_9)::integer::bigint << 9)
            | (bool_or(null_7)::integer::bigint << 7)
    )::freshlist."properties_sets"
FROM (
    SELECT
        c3::text AS set_3,
        c4::text AS set_4,
        c6::text AS set_6,
        c7::text AS set_7,
        min(c0) AS min_0, max(c0) AS max_0,
        min(c13) AS min_13, max(c13) AS max_13,
        min(c14) AS min_14, max(c14) AS max_14,
        min(c11) AS min_11, max(c11) AS max_11,
        min(c12) AS min_12, max(c12) AS max_12,
        min(c10) AS min_10, max(c10) AS max_10,
        min(c8) AS min_8, max(c8) AS max_8,
        min(c5) AS min_5, max(c5) AS max_5,
        min(c9) AS min_9, max(c9) AS max_9,
        count(*) > count(c11) AS null_11,
        count(*) > count(c12) AS null_12,
        count(*) > count(c10) AS null_10,
        count(*) > count(c8) AS null_8,
        count(*) > count(c9) AS null_9,
        count(*) > count(c7) AS null_7,
        count(*) AS rows
    FROM (SELECT (freshlist."properties_image"(r.*)).* FROM (%s) AS r)
        AS image (c0, c13, c14, c11, c12, c10, c8, c5, c9, c1, c3, c4, c6, c7)
    GROUP BY c3, c4, c6, c7
) AS texts
$statement$, source)
$function$;

REVOKE ALL ON FUNCTION freshlist."properties_bulk"(text) FROM PUBLIC;

-- 070_insert.sql

-- Captures INSERT, COPY, and the inserting halves of MERGE and ON CONFLICT.

CREATE OR REPLACE FUNCTION freshlist."properties_insert"() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    -- The ground is gone: see 080_update.sql.
    IF pg_catalog.to_regclass('freshlist."properties_guard"') IS NULL
        OR pg_catalog.to_regclass('freshlist."properties_changes"') IS NULL
    THEN
        BEGIN
            PERFORM freshlist."properties_whole_table"();
        EXCEPTION WHEN OTHERS THEN
            NULL;
        END;
        RETURN NULL;
    END IF;

    IF NOT EXISTS (SELECT FROM new_rows) THEN
        RETURN NULL;
    END IF;

    -- Nobody has been reading for long: see 080_update.sql.
    IF pg_catalog.pg_stat_get_live_tuples('freshlist."properties_changes"'::pg_catalog.regclass) > 4000000 THEN
        PERFORM freshlist."properties_whole_table"();
        RETURN NULL;
    END IF;

    IF EXISTS (SELECT FROM new_rows OFFSET 10000) THEN
        EXECUTE freshlist."properties_bulk"('SELECT * FROM new_rows');
    ELSE
        INSERT INTO freshlist."properties_changes" (xid, new_row)
        SELECT pg_catalog.pg_current_xact_id(), freshlist."properties_image"(r.*) FROM new_rows AS r;
    END IF;

    -- The doorbell: see 080_update.sql.
    IF NOT pg_catalog.pg_try_advisory_xact_lock_shared(7382074285561244019) AND freshlist.may_ring() THEN
        PERFORM pg_catalog.pg_notify('freshlist', '');
    END IF;
    RETURN NULL;
END
$function$;

REVOKE ALL ON FUNCTION freshlist."properties_insert"() FROM PUBLIC;

CREATE OR REPLACE TRIGGER freshlist_insert AFTER INSERT ON "public"."properties"
    REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION freshlist."properties_insert"();

ALTER TABLE "public"."properties" ENABLE ALWAYS TRIGGER freshlist_insert;

-- 080_update.sql

-- Captures UPDATE, and the updating halves of MERGE and ON CONFLICT.
--
-- This is the path that writers feel, and most statements touch one row: that case comes
-- first and is one short plan. (Rows are spelled r.*, since r alone would be a column, if
-- somebody added one of that name.)

CREATE OR REPLACE FUNCTION freshlist."properties_update"() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    captured bigint;
BEGIN
    -- Somebody took away, with CASCADE or by renaming it, what capture rests on. No error may reach the
    -- writer, and none needs to: the invalidator sees it in the catalog and stops caching.
    IF pg_catalog.to_regclass('freshlist."properties_guard"') IS NULL
        OR pg_catalog.to_regclass('freshlist."properties_changes"') IS NULL
    THEN
        BEGIN
            PERFORM freshlist."properties_whole_table"();
        EXCEPTION WHEN OTHERS THEN
            NULL;
        END;
        RETURN NULL;
    END IF;

    -- One row. The tests for more and for room stand inside a CASE with a column of the row,
    -- which makes them a filter of the scan and no more nodes in the plan. Images are compared
    -- by their bytes, and so is what is not in them, texts under the collation "C": what shows
    -- a difference is a difference.
    INSERT INTO freshlist."properties_changes" (xid, old_row, new_row, changed)
    SELECT pg_catalog.pg_current_xact_id(), o.image, n.image, CASE WHEN o.masked_2 COLLATE "C" IS DISTINCT FROM n.masked_2 THEN 1::bigint << 2 ELSE 0 END | CASE WHEN ROW(o.masked_15)::record *<> ROW(n.masked_15)::record THEN 1::bigint << 15 ELSE 0 END
    FROM (
        SELECT freshlist."properties_image"(r.*) AS image, freshlist."properties_masked_2"(r.*) AS masked_2, freshlist."properties_masked_15"(r.*) AS masked_15
        FROM old_rows AS r
        WHERE CASE
            WHEN EXISTS (SELECT FROM new_rows OFFSET 1) THEN false
            WHEN pg_catalog.pg_stat_get_live_tuples('freshlist."properties_changes"'::pg_catalog.regclass) > 4000000 THEN false
            ELSE freshlist."properties_key"(r.*) IS NOT NULL
        END
        OFFSET 0
    ) AS o
    CROSS JOIN (
        SELECT freshlist."properties_image"(r.*) AS image, freshlist."properties_masked_2"(r.*) AS masked_2, freshlist."properties_masked_15"(r.*) AS masked_15
        FROM new_rows AS r
        OFFSET 0
    ) AS n
    WHERE o.image *<> n.image OR o.masked_2 COLLATE "C" IS DISTINCT FROM n.masked_2 OR ROW(o.masked_15)::record *<> ROW(n.masked_15)::record;

    GET DIAGNOSTICS captured = ROW_COUNT;

    -- As a rule that is all: one row, and nobody who has to be woken (see below). Each
    -- expression is set up anew in each transaction, for up to a microsecond, so here is one;
    -- NEW, which is NULL in a trigger of statements, is none.
    IF captured > 0 AND pg_catalog.pg_try_advisory_xact_lock_shared(7382074285561244019) THEN
        RETURN NEW;
    END IF;

    -- (The outer condition stands alone, since one with a query in it would cost a plan.)
    IF captured = 0 THEN
        -- Nobody has been reading for long. Keep growth slow, but leave a row: the last one
        -- may be consumed before this transaction commits. (Live rows as the statistics know
        -- them: a look at the size of the file would cost 4 us each time.)
        IF pg_catalog.pg_stat_get_live_tuples('freshlist."properties_changes"'::pg_catalog.regclass) > 4000000 THEN
            PERFORM freshlist."properties_whole_table"();
            RETURN NULL;
        END IF;

        IF EXISTS (SELECT FROM new_rows OFFSET 10000) THEN
            -- Very many rows: one envelope, unless nothing changed. As a rule the first rows
            -- tell, since both tables are in the same order.
            IF EXISTS (
                SELECT
                FROM (
                    SELECT freshlist."properties_key"(r.*) AS id, freshlist."properties_image"(r.*) AS image, freshlist."properties_masked_2"(r.*) AS masked_2, freshlist."properties_masked_15"(r.*) AS masked_15
                    FROM (SELECT * FROM old_rows LIMIT 100) AS r
                ) AS o
                FULL JOIN (
                    SELECT freshlist."properties_key"(r.*) AS id, freshlist."properties_image"(r.*) AS image, freshlist."properties_masked_2"(r.*) AS masked_2, freshlist."properties_masked_15"(r.*) AS masked_15
                    FROM (SELECT * FROM new_rows LIMIT 100) AS r
                ) AS n ON n.id = o.id
                WHERE o.id IS NULL OR n.id IS NULL
                    OR o.image *<> n.image OR o.masked_2 COLLATE "C" IS DISTINCT FROM n.masked_2 OR ROW(o.masked_15)::record *<> ROW(n.masked_15)::record
            ) OR EXISTS (
                SELECT
                FROM (
                    SELECT freshlist."properties_key"(r.*) AS id, freshlist."properties_image"(r.*) AS image, freshlist."properties_masked_2"(r.*) AS masked_2, freshlist."properties_masked_15"(r.*) AS masked_15
                    FROM old_rows AS r
                ) AS o
                FULL JOIN (
                    SELECT freshlist."properties_key"(r.*) AS id, freshlist."properties_image"(r.*) AS image, freshlist."properties_masked_2"(r.*) AS masked_2, freshlist."properties_masked_15"(r.*) AS masked_15
                    FROM new_rows AS r
                ) AS n ON n.id = o.id
                WHERE o.id IS NULL OR n.id IS NULL
                    OR o.image *<> n.image OR o.masked_2 COLLATE "C" IS DISTINCT FROM n.masked_2 OR ROW(o.masked_15)::record *<> ROW(n.masked_15)::record
            ) THEN
                EXECUTE freshlist."properties_bulk"('SELECT * FROM old_rows UNION ALL SELECT * FROM new_rows');
                captured := 1;
            END IF;
        ELSIF EXISTS (SELECT FROM new_rows) THEN
            -- Several rows, old and new paired by key. A changed key is a row that went and
            -- a row that came. One row too, since the statistics may find room now where
            -- they found none before.
            INSERT INTO freshlist."properties_changes" (xid, old_row, new_row, changed)
            SELECT
                pg_catalog.pg_current_xact_id(), o.image, n.image, CASE WHEN o.masked_2 COLLATE "C" IS DISTINCT FROM n.masked_2 THEN 1::bigint << 2 ELSE 0 END | CASE WHEN ROW(o.masked_15)::record *<> ROW(n.masked_15)::record THEN 1::bigint << 15 ELSE 0 END
            FROM (
                SELECT freshlist."properties_key"(r.*) AS id, freshlist."properties_image"(r.*) AS image, freshlist."properties_masked_2"(r.*) AS masked_2, freshlist."properties_masked_15"(r.*) AS masked_15
                FROM old_rows AS r
            ) AS o
            FULL JOIN (
                SELECT freshlist."properties_key"(r.*) AS id, freshlist."properties_image"(r.*) AS image, freshlist."properties_masked_2"(r.*) AS masked_2, freshlist."properties_masked_15"(r.*) AS masked_15
                FROM new_rows AS r
            ) AS n ON n.id = o.id
            WHERE o.id IS NULL OR n.id IS NULL
                OR o.image *<> n.image OR o.masked_2 COLLATE "C" IS DISTINCT FROM n.masked_2 OR ROW(o.masked_15)::record *<> ROW(n.masked_15)::record;

            GET DIAGNOSTICS captured = ROW_COUNT;
        END IF;
    END IF;

    -- The doorbell. The invalidator holds this lock exclusively while it sleeps, and is
    -- granted it only when no transaction holds it shared; so whoever gets it here need not
    -- ring, and whoever does not get it must. Nobody rings where nobody sleeps: the
    -- notification queue cannot fill. Who may not ring tries the lock all the same, and is
    -- waited for if he gets it.
    IF captured > 0
        AND NOT pg_catalog.pg_try_advisory_xact_lock_shared(7382074285561244019) AND freshlist.may_ring()
    THEN
        PERFORM pg_catalog.pg_notify('freshlist', '');
    END IF;
    RETURN NULL;
END
$function$;

REVOKE ALL ON FUNCTION freshlist."properties_update"() FROM PUBLIC;

CREATE OR REPLACE TRIGGER freshlist_update AFTER UPDATE ON "public"."properties"
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION freshlist."properties_update"();

ALTER TABLE "public"."properties" ENABLE ALWAYS TRIGGER freshlist_update;

-- 090_delete.sql

-- Captures DELETE, and the deleting half of MERGE.

CREATE OR REPLACE FUNCTION freshlist."properties_delete"() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    -- The ground is gone: see 080_update.sql.
    IF pg_catalog.to_regclass('freshlist."properties_guard"') IS NULL
        OR pg_catalog.to_regclass('freshlist."properties_changes"') IS NULL
    THEN
        BEGIN
            PERFORM freshlist."properties_whole_table"();
        EXCEPTION WHEN OTHERS THEN
            NULL;
        END;
        RETURN NULL;
    END IF;

    IF NOT EXISTS (SELECT FROM old_rows) THEN
        RETURN NULL;
    END IF;

    -- Nobody has been reading for long: see 080_update.sql.
    IF pg_catalog.pg_stat_get_live_tuples('freshlist."properties_changes"'::pg_catalog.regclass) > 4000000 THEN
        PERFORM freshlist."properties_whole_table"();
        RETURN NULL;
    END IF;

    IF EXISTS (SELECT FROM old_rows OFFSET 10000) THEN
        EXECUTE freshlist."properties_bulk"('SELECT * FROM old_rows');
    ELSE
        INSERT INTO freshlist."properties_changes" (xid, old_row)
        SELECT pg_catalog.pg_current_xact_id(), freshlist."properties_image"(r.*) FROM old_rows AS r;
    END IF;

    -- The doorbell: see 080_update.sql.
    IF NOT pg_catalog.pg_try_advisory_xact_lock_shared(7382074285561244019) AND freshlist.may_ring() THEN
        PERFORM pg_catalog.pg_notify('freshlist', '');
    END IF;
    RETURN NULL;
END
$function$;

REVOKE ALL ON FUNCTION freshlist."properties_delete"() FROM PUBLIC;

CREATE OR REPLACE TRIGGER freshlist_delete AFTER DELETE ON "public"."properties"
    REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION freshlist."properties_delete"();

ALTER TABLE "public"."properties" ENABLE ALWAYS TRIGGER freshlist_delete;

-- 100_truncate.sql

-- Captures TRUNCATE, also by CASCADE from another table.

CREATE OR REPLACE FUNCTION freshlist."properties_truncate"() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM freshlist."properties_whole_table"();
    RETURN NULL;
EXCEPTION WHEN OTHERS THEN
    -- The ground is gone: see 080_update.sql.
    RETURN NULL;
END
$function$;

REVOKE ALL ON FUNCTION freshlist."properties_truncate"() FROM PUBLIC;

CREATE OR REPLACE TRIGGER freshlist_truncate AFTER TRUNCATE ON "public"."properties"
    FOR EACH STATEMENT EXECUTE FUNCTION freshlist."properties_truncate"();

ALTER TABLE "public"."properties" ENABLE ALWAYS TRIGGER freshlist_truncate;

-- 110_epoch.sql

-- The epoch, and the identity of its description, for whoever reads rows in order to cache them:
-- asked in the reading statement itself, they prove which server's data the answer shows, and by
-- which description it may be kept. NULL if there is no marker.

CREATE OR REPLACE FUNCTION freshlist.epoch() RETURNS text
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    RETURN (SELECT m.epoch FROM freshlist.marker AS m ORDER BY m.revision DESC LIMIT 1);
END
$function$;

REVOKE ALL ON FUNCTION freshlist.epoch() FROM PUBLIC;

CREATE OR REPLACE FUNCTION freshlist.described() RETURNS text
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    RETURN (SELECT m.description FROM freshlist.marker AS m ORDER BY m.revision DESC LIMIT 1);
END
$function$;

REVOKE ALL ON FUNCTION freshlist.described() FROM PUBLIC;

-- 120_state.sql

-- Whether capture is what it should be. With every beat the invalidator asks for the
-- catalog, in the snapshot of the changes that it reads; another one than before means that
-- changes may have gone by unseen, and then it asks for the fault.

-- A fingerprint of everything that capture and the description rest on: the tables (rewritten,
-- altered, renamed into place, partitioned, inherited, fed by logical replication, under row
-- security), their triggers and functions, the types of their columns, the indexes of their
-- keys, the tables of this schema and the guard views.
--
-- It looks at xmin, the transaction that wrote a row of the catalog, since what comes and goes
-- between two looks may leave everything else as it was:
--   a column                inherited from another table for a while, retyped and back
--   a table's row type      renamed or moved along with the table: another one stood in its place
--   a type of a column      renamed, or with another label or attribute
--   a schema                renamed for a while: capture did not find its own
--   a trigger, a function   disabled, replaced
--   a table of changes      under a trigger, a rule, row security; rewritten, truncated
-- (Whatever changes in a row of the catalog changes its xmin.) It does not look at xmin of the
-- tables themselves, which each GRANT and REVOKE changes, nor at PostgreSQL's own types, whose
-- numbers are below 16384 and which nobody changes.
--
-- The functions and relations of this schema are looked up by their names, by which the indexes
-- of the catalog find them: a look by schema would read all functions of the database. What
-- somebody else keeps in this schema is not looked at.
CREATE OR REPLACE FUNCTION freshlist.catalog() RETURNS text
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    RETURN (
        WITH RECURSIVE watched AS (
            SELECT
                c.oid, c.relname, c.relkind, c.relfilenode, c.relispartition, c.relrowsecurity, c.relforcerowsecurity,
                t.xmin AS type, n.oid AS schema, n.xmin AS schema_written
            FROM freshlist.tables() AS d
            JOIN pg_catalog.pg_class AS c ON c.oid = d.id
            JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
            LEFT JOIN pg_catalog.pg_type AS t ON t.oid = c.reltype
        ), attributes AS (
            SELECT a.attrelid, a.attnum, a.xmin, a.atttypid, a.attcollation
            FROM watched AS w JOIN pg_catalog.pg_attribute AS a ON a.attrelid = w.oid AND a.attnum > 0
        ), types (id) AS (
            SELECT a.atttypid FROM attributes AS a WHERE a.atttypid >= 16384
            UNION
            SELECT part.id
            FROM types
            JOIN pg_catalog.pg_type AS t ON t.oid = types.id
            CROSS JOIN LATERAL (
                SELECT t.typbasetype
                UNION ALL SELECT t.typelem
                UNION ALL SELECT r.rngsubtype FROM pg_catalog.pg_range AS r WHERE r.rngtypid = t.oid
                UNION ALL SELECT a.atttypid FROM pg_catalog.pg_attribute AS a WHERE a.attrelid = t.typrelid AND a.attnum > 0
            ) AS part (id)
            WHERE part.id >= 16384
        ), own AS (
            SELECT oid, xmin FROM pg_catalog.pg_namespace WHERE nspname = 'freshlist'
        )
        SELECT md5(string_agg(line, E'\n' ORDER BY line COLLATE "C"))
        FROM (
            SELECT concat_ws(' ', 'table', w.*) FROM watched AS w
            UNION ALL
            SELECT concat_ws(' ', 'schema', own.oid, own.xmin) FROM own
            UNION ALL
            SELECT concat_ws(' ', 'column', a.attrelid, a.attnum, a.xmin) FROM attributes AS a
            UNION ALL
            SELECT concat_ws(' ', 'collation', l.oid, l.xmin)
            FROM attributes AS a JOIN pg_catalog.pg_collation AS l ON l.oid = a.attcollation AND l.oid >= 16384
            UNION ALL
            SELECT concat_ws(' ', 'type', t.oid, t.xmin) FROM types JOIN pg_catalog.pg_type AS t ON t.oid = types.id
            UNION ALL
            SELECT concat_ws(' ', 'label', e.oid, e.xmin) FROM types JOIN pg_catalog.pg_enum AS e ON e.enumtypid = types.id
            UNION ALL
            SELECT concat_ws(' ', 'attribute', a.attrelid, a.attnum, a.xmin)
            FROM types
            JOIN pg_catalog.pg_type AS t ON t.oid = types.id
            JOIN pg_catalog.pg_attribute AS a ON a.attrelid = t.typrelid AND a.attnum > 0
            UNION ALL
            SELECT concat_ws(' ', 'key', i.indexrelid, i.indisvalid, i.indimmediate, i.indpred IS NULL)
            FROM freshlist.tables() AS d
            JOIN freshlist.columns() AS c ON c."table" = d.number AND c.number = d.key
            JOIN pg_catalog.pg_index AS i ON i.indrelid = d.id
            WHERE i.indkey[0] = c.attribute AND i.indnkeyatts = 1 AND i.indisunique
            UNION ALL
            SELECT concat_ws(' ', 'trigger', t.oid, t.xmin)
            FROM watched AS w JOIN pg_catalog.pg_trigger AS t ON t.tgrelid = w.oid AND t.tgname LIKE 'freshlist\_%'
            UNION ALL
            SELECT concat_ws(' ', 'policy', p.oid, p.xmin)
            FROM watched AS w JOIN pg_catalog.pg_policy AS p ON p.polrelid = w.oid
            UNION ALL
            SELECT concat_ws(' ', 'inheritance', i.inhrelid, i.inhparent)
            FROM watched AS w JOIN pg_catalog.pg_inherits AS i ON w.oid IN (i.inhrelid, i.inhparent)
            UNION ALL
            SELECT concat_ws(' ', 'subscription', s.srsubid, s.srrelid)
            FROM watched AS w JOIN pg_catalog.pg_subscription_rel AS s ON s.srrelid = w.oid
            UNION ALL
            SELECT concat_ws(' ', 'function', p.oid, p.xmin)
            FROM own JOIN pg_catalog.pg_proc AS p ON p.pronamespace = own.oid
            WHERE p.proname = ANY ('{tables,columns,innermost,misfits,may_ring,epoch,described,banner,catalog,definitions,fault,repair,properties_whole_table,properties_bulk,properties_insert,properties_update,properties_delete,properties_truncate,properties_key,properties_image,properties_masked_2,properties_masked_15}'::name[])
            UNION ALL
            SELECT concat_ws(' ', 'relation', c.oid, CASE WHEN c.relkind <> 'i' THEN c.xmin END)
            FROM own JOIN pg_catalog.pg_class AS c ON c.relnamespace = own.oid
            WHERE c.relname = ANY ('{description,marker,marker_revision,banner,banner_pkey,properties_changes,properties_changes_xid,properties_guard,properties_row,properties_sets}'::name[]) AND c.relkind IN ('r', 'v', 'i')
        ) AS state (line)
    );
END
$function$;

REVOKE ALL ON FUNCTION freshlist.catalog() FROM PUBLIC;

-- What the installed objects are defined as, all in one hash. An installation keeps it in the
-- schema's comment, behind the hash of the files that it was made from.
CREATE OR REPLACE FUNCTION freshlist.definitions() RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
SELECT pg_catalog.md5(pg_catalog.string_agg(definition, E'\n' ORDER BY definition COLLATE "C"))
FROM (
    SELECT concat_ws(' ', pg_catalog.pg_get_functiondef(p.oid), pg_catalog.pg_get_userbyid(p.proowner))
    FROM pg_catalog.pg_proc AS p
    WHERE p.pronamespace = 'freshlist'::regnamespace AND p.proname = ANY ('{tables,columns,innermost,misfits,may_ring,epoch,described,banner,catalog,definitions,fault,repair,properties_whole_table,properties_bulk,properties_insert,properties_update,properties_delete,properties_truncate,properties_key,properties_image,properties_masked_2,properties_masked_15}'::name[])
    UNION ALL
    SELECT pg_catalog.pg_get_triggerdef(t.oid)
    FROM freshlist.tables() AS d JOIN pg_catalog.pg_trigger AS t ON t.tgrelid = d.id
    WHERE t.tgname LIKE 'freshlist\_%'
    UNION ALL
    SELECT concat_ws(' ', c.relname, c.relkind, c.relpersistence, a.attnum, a.attname, a.atttypid::regtype, a.attnotnull)
    FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0
    WHERE c.relnamespace = 'freshlist'::regnamespace AND c.relkind IN ('r', 'c') AND c.relname = ANY ('{description,marker,marker_revision,banner,banner_pkey,properties_changes,properties_changes_xid,properties_guard,properties_row,properties_sets}'::name[])
    UNION ALL
    SELECT pg_catalog.pg_get_indexdef(i.indexrelid)
    FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_index AS i ON i.indrelid = c.oid
    WHERE c.relnamespace = 'freshlist'::regnamespace AND c.relname = ANY ('{description,marker,marker_revision,banner,banner_pkey,properties_changes,properties_changes_xid,properties_guard,properties_row,properties_sets}'::name[])
    UNION ALL
    SELECT pg_catalog.pg_get_viewdef(c.oid)
    FROM pg_catalog.pg_class AS c
    WHERE c.relnamespace = 'freshlist'::regnamespace AND c.relkind = 'v' AND c.relname = ANY ('{description,marker,marker_revision,banner,banner_pkey,properties_changes,properties_changes_xid,properties_guard,properties_row,properties_sets}'::name[])
) AS installed (definition)
$function$;

REVOKE ALL ON FUNCTION freshlist.definitions() FROM PUBLIC;

-- What is wrong with capture, '' if nothing is. While there is a fault nothing may be cached.
-- (Row security is no fault: whoever reads rows in order to cache them looks whether he is
-- subject to it. Rules and other triggers are none either: whatever they do to a table in
-- the end fires its triggers.)
CREATE OR REPLACE FUNCTION freshlist.fault() RETURNS text
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    installed constant text := obj_description('freshlist'::regnamespace, 'pg_namespace');
    fault text;
BEGIN
    SELECT string_agg(judged.fault, '; ' ORDER BY d.number) INTO fault
    FROM freshlist.tables() AS d
    LEFT JOIN pg_catalog.pg_class AS c ON c.oid = d.id
    CROSS JOIN LATERAL (SELECT CASE
        WHEN c.oid IS NULL THEN
            'there is no table ' || d.spelled
        WHEN c.relkind <> 'r' OR c.relispartition OR c.relpersistence = 't' THEN
            d.spelled || ' is not an ordinary table'
        WHEN EXISTS (SELECT FROM pg_catalog.pg_inherits WHERE c.oid IN (inhrelid, inhparent)) THEN
            d.spelled || ' inherits or is inherited: edits of the other table fire no trigger of this one'
        WHEN EXISTS (SELECT FROM pg_catalog.pg_subscription_rel WHERE srrelid = c.oid) THEN
            d.spelled || ' is fed by logical replication, which fires no statement triggers'
    END) AS judged (fault);
    IF fault IS NOT NULL THEN
        RETURN fault;
    END IF;
    fault := freshlist.misfits();
    IF EXISTS (SELECT FROM unnest(ARRAY['freshlist."properties_guard"']::text[]) AS guard WHERE pg_catalog.to_regclass(guard) IS NULL) THEN
        RETURN concat_ws('; ', 'a used column, or a table of freshlist, was dropped with CASCADE', nullif(fault, ''));
    END IF;
    IF fault <> '' THEN
        RETURN fault || '; to use what is there now, run "invalidator install" with the description';
    END IF;
    SELECT string_agg(
        format(CASE WHEN t.oid IS NULL THEN 'trigger freshlist_%s is missing on %s'
                    ELSE 'trigger freshlist_%s is not ENABLE ALWAYS on %s' END, event, d.spelled), '; ' ORDER BY d.number, place)
    INTO fault
    FROM freshlist.tables() AS d
    CROSS JOIN unnest(ARRAY['insert', 'update', 'delete', 'truncate']) WITH ORDINALITY AS events (event, place)
    LEFT JOIN pg_catalog.pg_trigger AS t ON t.tgrelid = d.id AND t.tgname = 'freshlist_' || event
    WHERE t.tgenabled IS DISTINCT FROM 'A';
    IF fault IS NOT NULL THEN
        RETURN fault;
    END IF;
    SELECT string_agg(format('%I of %s', c.name, d.spelled), ', ' ORDER BY d.number, c.number) INTO fault
    FROM freshlist.columns() AS c
    JOIN freshlist.tables() AS d ON d.number = c."table"
    LEFT JOIN pg_catalog.pg_attribute AS a ON a.attrelid = d.id AND a.attname = c.name AND a.attnum > 0 AND NOT a.attisdropped
    WHERE a.attnum IS DISTINCT FROM c.attribute;
    IF fault IS NOT NULL THEN
        RETURN 'columns were renamed, and by these names capture knows others: ' || fault;
    END IF;
    IF EXISTS (
        SELECT FROM pg_catalog.pg_class AS c
        WHERE c.relnamespace = 'freshlist'::regnamespace AND c.relname = ANY ('{description,marker,marker_revision,banner,banner_pkey,properties_changes,properties_changes_xid,properties_guard,properties_row,properties_sets}'::name[]) AND c.relkind = 'r'
            AND (
                c.relrowsecurity OR c.relhastriggers OR c.relhasrules
                OR c.oid IN (SELECT inhrelid FROM pg_catalog.pg_inherits UNION ALL SELECT inhparent FROM pg_catalog.pg_inherits)
            )
    ) THEN
        RETURN 'a table of freshlist has, or had, triggers, rules, row security or relatives, which may have taken changes away';
    END IF;
    IF EXISTS (
        SELECT FROM pg_catalog.pg_proc
        WHERE pronamespace = 'freshlist'::regnamespace AND proname = ANY ('{tables,columns,innermost,misfits,may_ring,epoch,described,banner,catalog,definitions,fault,repair,properties_whole_table,properties_bulk,properties_insert,properties_update,properties_delete,properties_truncate,properties_key,properties_image,properties_masked_2,properties_masked_15}'::name[])
            AND has_function_privilege('public', oid, 'EXECUTE')
    ) THEN
        RETURN 'PUBLIC may execute a function of freshlist, and so forge changes';
    END IF;
    IF split_part(installed, ' ', 2) IS DISTINCT FROM freshlist.definitions() THEN
        RETURN 'functions, triggers or tables of freshlist are not as they were installed';
    END IF;
    RETURN '';
END
$function$;

REVOKE ALL ON FUNCTION freshlist.fault() FROM PUBLIC;

-- 130_repair.sql

-- Sets right what ALTER TABLE ... ENABLE TRIGGER leaves behind, as after a load with triggers
-- disabled (pg_restore --disable-triggers does it): a trigger of ours that is enabled, but not
-- ALWAYS, does not fire for a session with session_replication_role = replica. Returns what it
-- did, '' if nothing. A disabled trigger is left alone: somebody may be loading.
--
-- A lock waits for writers, who may have gone past a trigger, but not for long: others would
-- queue up behind it. Without anything to do none is taken. What went by unseen shows in the
-- catalog: whoever calls this begins a new epoch.

CREATE OR REPLACE FUNCTION freshlist.repair() RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '100ms'
AS $function$
DECLARE
    half_enabled constant text := $query$
        SELECT d.id, d.spelled, t.tgname
        FROM freshlist.tables() AS d
        JOIN pg_catalog.pg_trigger AS t ON t.tgrelid = d.id
        WHERE t.tgenabled IN ('O', 'R')
            AND t.tgname IN ('freshlist_insert', 'freshlist_update', 'freshlist_delete', 'freshlist_truncate')
        ORDER BY d.schema, d.name, t.tgname
    $query$;
    half record;
    locked oid[] := '{}';
    repaired text[];
BEGIN
    FOR half IN EXECUTE half_enabled LOOP
        IF half.id <> ALL (locked) THEN
            EXECUTE format('LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE', half.spelled);
            locked := locked || half.id;
        END IF;
    END LOOP;
    FOR half IN EXECUTE half_enabled LOOP
        IF half.id = ANY (locked) THEN
            EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', half.spelled, half.tgname);
            repaired := repaired || format('%s on %s', half.tgname, half.spelled);
        END IF;
    END LOOP;
    RETURN coalesce('ENABLE ALWAYS ' || array_to_string(repaired, ', '), '');
END
$function$;

REVOKE ALL ON FUNCTION freshlist.repair() FROM PUBLIC;

