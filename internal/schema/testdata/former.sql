-- 010_schema.sql

-- Everything of freshlist that is not the application's own lives in this schema. It is
-- closed to PUBLIC: who writes listings needs no right in it, since the capture
-- functions run as their owner.

CREATE SCHEMA IF NOT EXISTS freshlist;

REVOKE ALL ON SCHEMA freshlist FROM PUBLIC;

-- 015_columns.sql

-- What capture expects of public.properties. Installation refuses what does not fit, since
-- nobody's writer may fail by it later; a running invalidator stops caching.

-- The watched columns, numbered as in the programs.
CREATE OR REPLACE FUNCTION freshlist.properties_columns()
RETURNS TABLE (number integer, name name, type text, required boolean)
LANGUAGE sql IMMUTABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
VALUES
    (0, 'id'::name, 'bigint', true),
    (1, 'title'::name, 'text', true),
    (2, 'description'::name, 'text', true),
    (3, 'property_type'::name, 'text', true),
    (4, 'status'::name, 'text', true),
    (5, 'price'::name, 'numeric(14,2)', true),
    (6, 'city'::name, 'text', true),
    (7, 'postal_code'::name, 'text', false),
    (8, 'bedrooms'::name, 'smallint', false),
    (9, 'bathrooms'::name, 'numeric(3,1)', false),
    (10, 'living_area'::name, 'integer', false),
    (11, 'latitude'::name, 'double precision', false),
    (12, 'longitude'::name, 'double precision', false),
    (13, 'created_at'::name, 'timestamp with time zone', true),
    (14, 'updated_at'::name, 'timestamp with time zone', true)
$function$;

REVOKE ALL ON FUNCTION freshlist.properties_columns() FROM PUBLIC;

-- At which position of the table each watched column stands now.
CREATE OR REPLACE FUNCTION freshlist.properties_positions() RETURNS smallint[]
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
SELECT array_agg(a.attnum ORDER BY c.number)
FROM freshlist.properties_columns() AS c
LEFT JOIN pg_catalog.pg_attribute AS a
    ON a.attrelid = pg_catalog.to_regclass('public.properties') AND a.attname = c.name AND a.attnum > 0 AND NOT a.attisdropped
$function$;

REVOKE ALL ON FUNCTION freshlist.properties_positions() FROM PUBLIC;

-- All that does not fit, each with its remedy, '' if nothing. The programs compare and order
-- values as PostgreSQL does for these very types, and texts by their bytes.
CREATE OR REPLACE FUNCTION freshlist.properties_misfits() RETURNS text
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    watched constant oid := pg_catalog.to_regclass('public.properties');
    encoding constant text := pg_catalog.getdatabaseencoding();
    misfits text[];
BEGIN
    SELECT array_agg(format('column %I %s', c.name, misfit) ORDER BY c.number) INTO misfits
    FROM freshlist.properties_columns() AS c
    LEFT JOIN pg_catalog.pg_attribute AS a
        ON a.attrelid = watched AND a.attname = c.name AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pg_catalog.pg_collation AS l ON l.oid = a.attcollation
    CROSS JOIN LATERAL (VALUES
        (a.attnum IS NULL,
            'is missing (dropped or renamed): ALTER TABLE public.properties ADD ' || quote_ident(c.name) || ' ' || c.type),
        (format_type(a.atttypid, a.atttypmod) <> c.type,
            'is ' || format_type(a.atttypid, a.atttypmod) || ', not ' || c.type
            || ': ALTER TABLE public.properties ALTER ' || quote_ident(c.name) || ' TYPE ' || c.type),
        (NOT l.collisdeterministic,
            'takes different texts for equal by its collation ' || quote_ident(l.collname)
            || ': ALTER TABLE public.properties ALTER ' || quote_ident(c.name) || ' TYPE ' || c.type || ' COLLATE "default"'),
        (c.required AND NOT a.attnotnull,
            'may be NULL: ALTER TABLE public.properties ALTER ' || quote_ident(c.name) || ' SET NOT NULL'),
        (a.attgenerated NOT IN ('', 's'),
            'is computed whenever it is read: have it STORED')
    ) AS judged (misfit_found, misfit)
    WHERE misfit_found;

    IF encoding <> 'UTF8' THEN
        misfits := format('the encoding of database %I is %s, not UTF8: move it into one made by CREATE DATABASE ... ENCODING ''UTF8''',
            pg_catalog.current_database(), encoding) || misfits;
    END IF;
    IF NOT EXISTS (
        SELECT FROM pg_catalog.pg_index AS i
        JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
        WHERE i.indrelid = watched AND i.indisprimary AND i.indnkeyatts = 1 AND a.attname = 'id'
    ) THEN
        misfits := misfits || ('column id is not the primary key: ALTER TABLE public.properties '
            || coalesce((SELECT format('DROP CONSTRAINT %I, ', c.conname) FROM pg_catalog.pg_constraint AS c
                         WHERE c.conrelid = watched AND c.contype = 'p'), '')
            || 'ADD PRIMARY KEY (id)');
    END IF;
    RETURN coalesce(array_to_string(misfits, '; '), '');
END
$function$;

REVOKE ALL ON FUNCTION freshlist.properties_misfits() FROM PUBLIC;

DO $do$
BEGIN
    IF freshlist.properties_misfits() <> '' THEN
        RAISE EXCEPTION '%', freshlist.properties_misfits() USING ERRCODE = 'FL001';
    END IF;
END
$do$;

-- 020_changes.sql

-- What committed statements did to public.properties, until the invalidator has dealt
-- with it.
--
-- UNLOGGED on purpose: it costs writers no WAL, and whatever can lose a committed change
-- (crash, failover, restore) empties it together with the marker beside it, which is how
-- the loss is noticed.
--
-- Values travel in composites, one column for a row: a statement's plan is set up anew on
-- each execution, and every column of every node in it costs the writer time. (Thirty
-- columns of their own cost a one-row UPDATE some 6 us more.) They are typed and exact,
-- and (new_row).price reads well.


-- A row's values, all but the description, which is long and shown by one page only.
CREATE TYPE freshlist.property AS (
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
-- texts occur, since the collation orders texts otherwise than programs do (NULL: too many to
-- say), and a bit for each column in which some row was NULL, numbered as in
-- public.properties from 0.
CREATE TYPE freshlist.property_sets AS (
    "property_types" text[],
    "statuses" text[],
    "cities" text[],
    "postal_codes" text[],
    null_columns integer
);

CREATE UNLOGGED TABLE freshlist.properties_changes (
    xid                 xid8 NOT NULL,
    old_row             freshlist.property,
    new_row             freshlist.property,
    description_changed boolean,
    sets                freshlist.property_sets
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

COMMENT ON TABLE freshlist.properties_changes IS
    'changes of public.properties that the invalidator has not dealt with; a row without any values says that '
    'anything may have changed';
COMMENT ON COLUMN freshlist.properties_changes.xid IS
    'the writing transaction: rows are found by what one snapshot shows and an earlier one did not';
COMMENT ON COLUMN freshlist.properties_changes.old_row IS 'a row before UPDATE or DELETE; of an envelope the least values';
COMMENT ON COLUMN freshlist.properties_changes.new_row IS 'a row after UPDATE or INSERT; of an envelope the greatest values';
COMMENT ON COLUMN freshlist.properties_changes.description_changed IS 'whether an UPDATE changed the description too';
COMMENT ON COLUMN freshlist.properties_changes.sets IS
    'not NULL: an envelope, the bounds of all rows, old and new, of one bulk statement';

CREATE INDEX properties_changes_xid ON freshlist.properties_changes (xid);
COMMENT ON INDEX freshlist.properties_changes_xid IS 'the only way by which changes are read and deleted';

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

CREATE UNLOGGED TABLE freshlist.properties_marker (
    revision          bigint NOT NULL,
    epoch             text NOT NULL,
    term              bigint NOT NULL,
    system_identifier bigint NOT NULL,
    database_oid      oid NOT NULL,
    position          pg_snapshot NOT NULL,
    catalog           text NOT NULL,
    agreed            text NOT NULL,
    uncaptured        xid8[] NOT NULL,
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

COMMENT ON TABLE freshlist.properties_marker IS 'where the invalidator of public.properties stands: one row';
COMMENT ON COLUMN freshlist.properties_marker.revision IS 'raised by every write; the live row is the greatest';
COMMENT ON COLUMN freshlist.properties_marker.epoch IS 'generation of the whole cache: 32 hexadecimal digits';
COMMENT ON COLUMN freshlist.properties_marker.term IS 'raised by whoever takes the lead';
COMMENT ON COLUMN freshlist.properties_marker.system_identifier IS 'the cluster that wrote this row: a restored copy is another';
COMMENT ON COLUMN freshlist.properties_marker.database_oid IS 'the database that wrote this row: a restored copy is another';
COMMENT ON COLUMN freshlist.properties_marker.position IS 'all that this snapshot shows has reached Redis';
COMMENT ON COLUMN freshlist.properties_marker.catalog IS 'fingerprint of the table and its triggers when the epoch began';
COMMENT ON COLUMN freshlist.properties_marker.agreed IS 'the settings in which all processes must agree: with others begins a new epoch';
COMMENT ON COLUMN freshlist.properties_marker.uncaptured IS
    'prepared transactions whose captured rows may have been lost: the end of one begins a new epoch';
COMMENT ON COLUMN freshlist.properties_marker.fence_terms IS 'for each Redis partition, the term of the last write';
COMMENT ON COLUMN freshlist.properties_marker.fence_seqs IS 'for each Redis partition, the sequence number of the last write';
COMMENT ON COLUMN freshlist.properties_marker.fence_batches IS 'for each Redis partition, the last batch written';

CREATE UNIQUE INDEX properties_marker_revision ON freshlist.properties_marker (revision);
COMMENT ON INDEX freshlist.properties_marker_revision IS 'finds the live version in one step, from its end';

-- 035_image.sql

-- What capture takes from a row of public.properties. As functions whose bodies PostgreSQL
-- has parsed they hold on to columns and not to names: no renaming, no new column and no
-- dropped one makes them read another. They are inlined, and cost nothing when they run:
-- therefore they have no search_path of their own, and need none.

CREATE FUNCTION freshlist.properties_id(r public.properties) RETURNS bigint
LANGUAGE sql IMMUTABLE
BEGIN ATOMIC
    SELECT r.id;
END;

REVOKE ALL ON FUNCTION freshlist.properties_id(public.properties) FROM PUBLIC;

CREATE FUNCTION freshlist.properties_description(r public.properties) RETURNS text
LANGUAGE sql IMMUTABLE
BEGIN ATOMIC
    SELECT r.description;
END;

REVOKE ALL ON FUNCTION freshlist.properties_description(public.properties) FROM PUBLIC;

CREATE FUNCTION freshlist.properties_image(r public.properties) RETURNS freshlist.property
LANGUAGE sql IMMUTABLE
BEGIN ATOMIC
    SELECT ROW(r."id", r."created_at", r."updated_at", r."latitude", r."longitude", r."living_area", r."bedrooms", r."price", r."bathrooms", r."title", r."property_type", r."status", r."city", r."postal_code")::freshlist.property;
END;

REVOKE ALL ON FUNCTION freshlist.properties_image(public.properties) FROM PUBLIC;

-- 040_guard.sql

-- What capture rests on, in one view that nobody reads.
--
-- Because the view depends on them, PostgreSQL itself refuses to drop or retype a watched
-- column, to drop an attribute of a captured row, or to drop the table of changes. To do so
-- all the same: uninstall capture, alter, install again. With CASCADE the view goes too; the
-- capture functions look for it before they touch anything, so that no writer sees an error
-- of theirs. (What does fail writers: to rename or loosen the functions of this schema, to
-- rename a column of the table of changes or to add an attribute to its types. To write
-- through this view would mend that; but of a rule on a view that comes and goes, and takes
-- changes away, PostgreSQL keeps no trace.)

CREATE VIEW freshlist.properties_guard AS
SELECT c.xid, c.old_row, c.new_row, c.description_changed, c.sets
FROM freshlist.properties_changes AS c
WHERE false AND (
    ROW((c.old_row).*) IS NULL
    OR ROW((c.sets).*) IS NULL
    OR freshlist.properties_id(NULL) IS NULL
    OR freshlist.properties_description(NULL) IS NULL
    OR freshlist.properties_image(NULL) IS NULL
    OR EXISTS (
        SELECT FROM public.properties AS p
        WHERE ROW(p."id", p."title", p."description", p."property_type", p."status", p."price", p."city", p."postal_code", p."bedrooms", p."bathrooms", p."living_area", p."latitude", p."longitude", p."created_at", p."updated_at") IS NULL
    )
);

COMMENT ON VIEW freshlist.properties_guard IS
    'keeps watched columns from being dropped or retyped; to do so, run "invalidator uninstall" before and "invalidator install" after';

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

CREATE OR REPLACE FUNCTION freshlist.properties_may_ring() RETURNS boolean
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

REVOKE ALL ON FUNCTION freshlist.properties_may_ring() FROM PUBLIC;

-- 050_whole_table.sql

-- Records that anything in public.properties may have changed. One row stands for one
-- statement and never for several: a row that is pending already may be consumed before
-- this transaction commits.

CREATE OR REPLACE FUNCTION freshlist.properties_whole_table() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF pg_catalog.to_regclass('freshlist.properties_changes') IS NULL THEN
        RETURN; -- the ground is gone: see properties_update
    END IF;
    INSERT INTO freshlist.properties_changes (xid) VALUES (pg_catalog.pg_current_xact_id());

    -- The doorbell: see properties_update.
    IF NOT pg_catalog.pg_try_advisory_xact_lock_shared(7382074285561244019) AND freshlist.properties_may_ring() THEN
        PERFORM pg_catalog.pg_notify('freshlist', '');
    END IF;
END
$function$;

REVOKE ALL ON FUNCTION freshlist.properties_whole_table() FROM PUBLIC;

-- 060_bulk.sql

-- The statement by which a capture function writes one envelope instead of very many rows.
-- It is returned as text, since only the trigger's own function sees the transition tables
-- that source reads: SELECT * FROM new_rows, for example.
--
-- Rows are grouped by their texts first, so that one scan serves the sets and the ranges.

CREATE OR REPLACE FUNCTION freshlist.properties_bulk(source text) RETURNS text
LANGUAGE sql IMMUTABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
SELECT pg_catalog.format($statement$
INSERT INTO freshlist.properties_changes (xid, old_row, new_row, sets)
SELECT
    pg_catalog.pg_current_xact_id(),
    ROW(min("min_id"), min("min_created_at"), NULL, min("min_latitude"), min("min_longitude"), min("min_living_area"), min("min_bedrooms"), min("min_price"), min("min_bathrooms"), NULL, NULL, NULL, NULL, NULL)::freshlist.property,
    ROW(max("max_id"), max("max_created_at"), NULL, max("max_latitude"), max("max_longitude"), max("max_living_area"), max("max_bedrooms"), max("max_price"), max("max_bathrooms"), NULL, NULL, NULL, NULL, NULL)::freshlist.property,
    ROW(
        -- A larger set bounds next to nothing.
        CASE WHEN count(DISTINCT "property_type") <= 1000
             THEN coalesce(array_agg(DISTINCT "property_type") FILTER (WHERE "property_type" IS NOT NULL), '{}') END,
        CASE WHEN count(DISTINCT "status") <= 1000
             THEN coalesce(array_agg(DISTINCT "status") FILTER (WHERE "status" IS NOT NULL), '{}') END,
        CASE WHEN count(DISTINCT "city") <= 1000
             THEN coalesce(array_agg(DISTINCT "city") FILTER (WHERE "city" IS NOT NULL), '{}') END,
        CASE WHEN count(DISTINCT "postal_code") <= 1000
             THEN coalesce(array_agg(DISTINCT "postal_code") FILTER (WHERE "postal_code" IS NOT NULL), '{}') END,
        0
            | (bool_or("null_postal_code")::integer << 7)
            | (bool_or("null_bedrooms")::integer << 8)
            | (bool_or("null_bathrooms")::integer << 9)
            | (bool_or("null_living_area")::integer << 10)
            | (bool_or("null_latitude")::integer << 11)
            | (bool_or("null_longitude")::integer << 12)
    )::freshlist.property_sets
FROM (
    SELECT
        "property_type",
        "status",
        "city",
        "postal_code",
        min("id") AS "min_id", max("id") AS "max_id",
        min("created_at") AS "min_created_at", max("created_at") AS "max_created_at",
        min("latitude") AS "min_latitude", max("latitude") AS "max_latitude",
        min("longitude") AS "min_longitude", max("longitude") AS "max_longitude",
        min("living_area") AS "min_living_area", max("living_area") AS "max_living_area",
        min("bedrooms") AS "min_bedrooms", max("bedrooms") AS "max_bedrooms",
        min("price") AS "min_price", max("price") AS "max_price",
        min("bathrooms") AS "min_bathrooms", max("bathrooms") AS "max_bathrooms",
        count(*) > count("postal_code") AS "null_postal_code",
        count(*) > count("bedrooms") AS "null_bedrooms",
        count(*) > count("bathrooms") AS "null_bathrooms",
        count(*) > count("living_area") AS "null_living_area",
        count(*) > count("latitude") AS "null_latitude",
        count(*) > count("longitude") AS "null_longitude",
        count(*) AS rows
    FROM (SELECT (freshlist.properties_image(r.*)).* FROM (%s) AS r)
        AS image ("id", "created_at", "updated_at", "latitude", "longitude", "living_area", "bedrooms", "price", "bathrooms", "title", "property_type", "status", "city", "postal_code")
    GROUP BY "property_type", "status", "city", "postal_code"
) AS texts
$statement$, source)
$function$;

REVOKE ALL ON FUNCTION freshlist.properties_bulk(text) FROM PUBLIC;

-- 070_insert.sql

-- Captures INSERT, COPY, and the inserting halves of MERGE and ON CONFLICT.

CREATE OR REPLACE FUNCTION freshlist.properties_insert() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    -- The ground is gone: see properties_update.
    IF pg_catalog.to_regclass('freshlist.properties_guard') IS NULL
        OR pg_catalog.to_regclass('freshlist.properties_changes') IS NULL
    THEN
        BEGIN
            PERFORM freshlist.properties_whole_table();
        EXCEPTION WHEN OTHERS THEN
            NULL;
        END;
        RETURN NULL;
    END IF;

    IF NOT EXISTS (SELECT FROM new_rows) THEN
        RETURN NULL;
    END IF;

    -- Nobody has been reading for long: see properties_update.
    IF pg_catalog.pg_stat_get_live_tuples('freshlist.properties_changes'::pg_catalog.regclass) > 4000000 THEN
        PERFORM freshlist.properties_whole_table();
        RETURN NULL;
    END IF;

    IF EXISTS (SELECT FROM new_rows OFFSET 10000) THEN
        EXECUTE freshlist.properties_bulk('SELECT * FROM new_rows');
    ELSE
        INSERT INTO freshlist.properties_changes (xid, new_row)
        SELECT pg_catalog.pg_current_xact_id(), freshlist.properties_image(r.*) FROM new_rows AS r;
    END IF;

    -- The doorbell: see properties_update.
    IF NOT pg_catalog.pg_try_advisory_xact_lock_shared(7382074285561244019) AND freshlist.properties_may_ring() THEN
        PERFORM pg_catalog.pg_notify('freshlist', '');
    END IF;
    RETURN NULL;
END
$function$;

REVOKE ALL ON FUNCTION freshlist.properties_insert() FROM PUBLIC;

CREATE OR REPLACE TRIGGER freshlist_insert AFTER INSERT ON public.properties
    REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION freshlist.properties_insert();

ALTER TABLE public.properties ENABLE ALWAYS TRIGGER freshlist_insert;

-- 080_update.sql

-- Captures UPDATE, and the updating halves of MERGE and ON CONFLICT.
--
-- This is the path that writers feel, and most statements touch one row: that case comes
-- first and is one short plan. (Rows are spelled r.*, since r alone would be a column, if
-- somebody added one of that name.)

CREATE OR REPLACE FUNCTION freshlist.properties_update() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    captured bigint;
BEGIN
    -- Somebody took away, with CASCADE or by renaming it, what capture rests on. No error may reach the
    -- writer, and none needs to: the invalidator sees it in the catalog and stops caching.
    IF pg_catalog.to_regclass('freshlist.properties_guard') IS NULL
        OR pg_catalog.to_regclass('freshlist.properties_changes') IS NULL
    THEN
        BEGIN
            PERFORM freshlist.properties_whole_table();
        EXCEPTION WHEN OTHERS THEN
            NULL;
        END;
        RETURN NULL;
    END IF;

    -- One row. The tests for more and for room stand inside a CASE with a column of the row,
    -- which makes them a filter of the scan and no more nodes in the plan. Images are compared
    -- by their bytes, and so is the description under the collation "C": what shows a
    -- difference is a difference.
    INSERT INTO freshlist.properties_changes (xid, old_row, new_row, description_changed)
    SELECT pg_catalog.pg_current_xact_id(), o.image, n.image, o.description COLLATE "C" IS DISTINCT FROM n.description
    FROM (
        SELECT freshlist.properties_image(r.*) AS image, freshlist.properties_description(r.*) AS description
        FROM old_rows AS r
        WHERE CASE
            WHEN EXISTS (SELECT FROM new_rows OFFSET 1) THEN false
            WHEN pg_catalog.pg_stat_get_live_tuples('freshlist.properties_changes'::pg_catalog.regclass) > 4000000 THEN false
            ELSE freshlist.properties_id(r.*) IS NOT NULL
        END
        OFFSET 0
    ) AS o
    CROSS JOIN (
        SELECT freshlist.properties_image(r.*) AS image, freshlist.properties_description(r.*) AS description
        FROM new_rows AS r
        OFFSET 0
    ) AS n
    WHERE o.image *<> n.image OR o.description COLLATE "C" IS DISTINCT FROM n.description;

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
        IF pg_catalog.pg_stat_get_live_tuples('freshlist.properties_changes'::pg_catalog.regclass) > 4000000 THEN
            PERFORM freshlist.properties_whole_table();
            RETURN NULL;
        END IF;

        IF EXISTS (SELECT FROM new_rows OFFSET 10000) THEN
            -- Very many rows: one envelope, unless nothing changed. As a rule the first rows
            -- tell, since both tables are in the same order.
            IF EXISTS (
                SELECT
                FROM (
                    SELECT
                        freshlist.properties_id(r.*) AS id, freshlist.properties_image(r.*) AS image,
                        freshlist.properties_description(r.*) AS description
                    FROM (SELECT * FROM old_rows LIMIT 100) AS r
                ) AS o
                FULL JOIN (
                    SELECT
                        freshlist.properties_id(r.*) AS id, freshlist.properties_image(r.*) AS image,
                        freshlist.properties_description(r.*) AS description
                    FROM (SELECT * FROM new_rows LIMIT 100) AS r
                ) AS n ON n.id = o.id
                WHERE o.id IS NULL OR n.id IS NULL
                    OR o.image *<> n.image OR o.description COLLATE "C" IS DISTINCT FROM n.description
            ) OR EXISTS (
                SELECT
                FROM (
                    SELECT
                        freshlist.properties_id(r.*) AS id, freshlist.properties_image(r.*) AS image,
                        freshlist.properties_description(r.*) AS description
                    FROM old_rows AS r
                ) AS o
                FULL JOIN (
                    SELECT
                        freshlist.properties_id(r.*) AS id, freshlist.properties_image(r.*) AS image,
                        freshlist.properties_description(r.*) AS description
                    FROM new_rows AS r
                ) AS n ON n.id = o.id
                WHERE o.id IS NULL OR n.id IS NULL
                    OR o.image *<> n.image OR o.description COLLATE "C" IS DISTINCT FROM n.description
            ) THEN
                EXECUTE freshlist.properties_bulk('SELECT * FROM old_rows UNION ALL SELECT * FROM new_rows');
                captured := 1;
            END IF;
        ELSIF EXISTS (SELECT FROM new_rows) THEN
            -- Several rows, old and new paired by id. A changed id is a row that went and
            -- a row that came. One row too, since the statistics may find room now where
            -- they found none before.
            INSERT INTO freshlist.properties_changes (xid, old_row, new_row, description_changed)
            SELECT
                pg_catalog.pg_current_xact_id(), o.image, n.image, o.description COLLATE "C" IS DISTINCT FROM n.description
            FROM (
                SELECT
                    freshlist.properties_id(r.*) AS id, freshlist.properties_image(r.*) AS image,
                    freshlist.properties_description(r.*) AS description
                FROM old_rows AS r
            ) AS o
            FULL JOIN (
                SELECT
                    freshlist.properties_id(r.*) AS id, freshlist.properties_image(r.*) AS image,
                    freshlist.properties_description(r.*) AS description
                FROM new_rows AS r
            ) AS n ON n.id = o.id
            WHERE o.id IS NULL OR n.id IS NULL
                OR o.image *<> n.image OR o.description COLLATE "C" IS DISTINCT FROM n.description;

            GET DIAGNOSTICS captured = ROW_COUNT;
        END IF;
    END IF;

    -- The doorbell. The invalidator holds this lock exclusively while it sleeps, and is
    -- granted it only when no transaction holds it shared; so whoever gets it here need not
    -- ring, and whoever does not get it must. Nobody rings where nobody sleeps: the
    -- notification queue cannot fill. Who may not ring tries the lock all the same, and is
    -- waited for if he gets it.
    IF captured > 0
        AND NOT pg_catalog.pg_try_advisory_xact_lock_shared(7382074285561244019) AND freshlist.properties_may_ring()
    THEN
        PERFORM pg_catalog.pg_notify('freshlist', '');
    END IF;
    RETURN NULL;
END
$function$;

REVOKE ALL ON FUNCTION freshlist.properties_update() FROM PUBLIC;

CREATE OR REPLACE TRIGGER freshlist_update AFTER UPDATE ON public.properties
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION freshlist.properties_update();

ALTER TABLE public.properties ENABLE ALWAYS TRIGGER freshlist_update;

-- 090_delete.sql

-- Captures DELETE, and the deleting half of MERGE.

CREATE OR REPLACE FUNCTION freshlist.properties_delete() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    -- The ground is gone: see properties_update.
    IF pg_catalog.to_regclass('freshlist.properties_guard') IS NULL
        OR pg_catalog.to_regclass('freshlist.properties_changes') IS NULL
    THEN
        BEGIN
            PERFORM freshlist.properties_whole_table();
        EXCEPTION WHEN OTHERS THEN
            NULL;
        END;
        RETURN NULL;
    END IF;

    IF NOT EXISTS (SELECT FROM old_rows) THEN
        RETURN NULL;
    END IF;

    -- Nobody has been reading for long: see properties_update.
    IF pg_catalog.pg_stat_get_live_tuples('freshlist.properties_changes'::pg_catalog.regclass) > 4000000 THEN
        PERFORM freshlist.properties_whole_table();
        RETURN NULL;
    END IF;

    IF EXISTS (SELECT FROM old_rows OFFSET 10000) THEN
        EXECUTE freshlist.properties_bulk('SELECT * FROM old_rows');
    ELSE
        INSERT INTO freshlist.properties_changes (xid, old_row)
        SELECT pg_catalog.pg_current_xact_id(), freshlist.properties_image(r.*) FROM old_rows AS r;
    END IF;

    -- The doorbell: see properties_update.
    IF NOT pg_catalog.pg_try_advisory_xact_lock_shared(7382074285561244019) AND freshlist.properties_may_ring() THEN
        PERFORM pg_catalog.pg_notify('freshlist', '');
    END IF;
    RETURN NULL;
END
$function$;

REVOKE ALL ON FUNCTION freshlist.properties_delete() FROM PUBLIC;

CREATE OR REPLACE TRIGGER freshlist_delete AFTER DELETE ON public.properties
    REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION freshlist.properties_delete();

ALTER TABLE public.properties ENABLE ALWAYS TRIGGER freshlist_delete;

-- 100_truncate.sql

-- Captures TRUNCATE, also by CASCADE from another table.

CREATE OR REPLACE FUNCTION freshlist.properties_truncate() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM freshlist.properties_whole_table();
    RETURN NULL;
EXCEPTION WHEN OTHERS THEN
    -- The ground is gone: see properties_update.
    RETURN NULL;
END
$function$;

REVOKE ALL ON FUNCTION freshlist.properties_truncate() FROM PUBLIC;

CREATE OR REPLACE TRIGGER freshlist_truncate AFTER TRUNCATE ON public.properties
    FOR EACH STATEMENT EXECUTE FUNCTION freshlist.properties_truncate();

ALTER TABLE public.properties ENABLE ALWAYS TRIGGER freshlist_truncate;

-- 110_epoch.sql

-- The epoch, for whoever reads listings in order to cache them: asked in the reading
-- statement itself, it proves which server's data the answer shows. NULL if there is no
-- marker.

CREATE OR REPLACE FUNCTION freshlist.properties_epoch() RETURNS text
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    RETURN (SELECT m.epoch FROM freshlist.properties_marker AS m ORDER BY m.revision DESC LIMIT 1);
END
$function$;

REVOKE ALL ON FUNCTION freshlist.properties_epoch() FROM PUBLIC;

-- 120_state.sql

-- Whether capture is what it should be. With every beat the invalidator asks for the
-- catalog, in the snapshot of the changes that it reads; another one than before means that
-- changes may have gone by unseen, and then it asks for the fault.

-- A fingerprint of everything that capture rests on: the table (rewritten, altered, renamed
-- into place, partitioned, inherited, fed by logical replication, under row security), its
-- triggers and their functions, the tables of this schema and the guard view.
--
-- It looks at xmin, the transaction that wrote a row of the catalog, since what comes and goes
-- between two looks may leave everything else as it was:
--   a column                inherited from another table for a while, retyped and back
--   the table's row type    renamed or moved along with the table: another one stood in its place
--   a schema                renamed for a while: capture did not find its own
--   a trigger, a function   disabled, replaced
--   the table of changes    under a trigger, a rule, row security; rewritten, truncated
-- (Whatever changes in a row of the catalog changes its xmin.) It does not look at xmin of the
-- table itself, which each GRANT and REVOKE changes.
--
-- The functions and relations of this schema are called properties_...: by their names the
-- indexes of the catalog find them, where a look by schema would read all functions of the
-- database. What somebody else keeps in this schema is not looked at.
CREATE OR REPLACE FUNCTION freshlist.properties_catalog() RETURNS text
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    RETURN (
        WITH watched AS (
            SELECT
                c.oid, c.relname, c.relkind, c.relfilenode, c.relispartition, c.relrowsecurity, c.relforcerowsecurity,
                t.xmin AS type, n.oid AS schema, n.xmin AS schema_written,
                (SELECT i.indexrelid FROM pg_catalog.pg_index AS i WHERE i.indrelid = c.oid AND i.indisprimary) AS key
            FROM pg_catalog.pg_class AS c
            JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
            LEFT JOIN pg_catalog.pg_type AS t ON t.oid = c.reltype
            WHERE n.nspname = 'public' AND c.relname = 'properties'
        ), own AS (
            SELECT oid, xmin FROM pg_catalog.pg_namespace WHERE nspname = 'freshlist'
        )
        SELECT md5(string_agg(line, E'\n' ORDER BY line COLLATE "C"))
        FROM (
            SELECT concat_ws(' ', 'table', w.*) FROM watched AS w
            UNION ALL
            SELECT concat_ws(' ', 'schema', own.oid, own.xmin) FROM own
            UNION ALL
            SELECT concat_ws(' ', 'column', a.attnum, a.xmin)
            FROM watched AS w JOIN pg_catalog.pg_attribute AS a ON a.attrelid = w.oid AND a.attnum > 0
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
            SELECT concat_ws(' ', 'subscription', s.srsubid)
            FROM watched AS w JOIN pg_catalog.pg_subscription_rel AS s ON s.srrelid = w.oid
            UNION ALL
            SELECT concat_ws(' ', 'function', p.oid, p.xmin)
            FROM own JOIN pg_catalog.pg_proc AS p ON p.pronamespace = own.oid AND p.proname LIKE 'properties\_%'
            UNION ALL
            SELECT concat_ws(' ', 'relation', c.oid, CASE WHEN c.relkind <> 'i' THEN c.xmin END)
            FROM own JOIN pg_catalog.pg_class AS c ON c.relnamespace = own.oid AND c.relname LIKE 'properties\_%'
            WHERE c.relkind IN ('r', 'v', 'i')
        ) AS state (line)
    );
END
$function$;

REVOKE ALL ON FUNCTION freshlist.properties_catalog() FROM PUBLIC;

-- What the installed objects are defined as, all in one hash. An installation keeps it in the
-- schema's comment, behind the hash of the files that it was made from.
CREATE OR REPLACE FUNCTION freshlist.properties_definitions() RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
SELECT pg_catalog.md5(pg_catalog.string_agg(definition, E'\n' ORDER BY definition COLLATE "C"))
FROM (
    SELECT concat_ws(' ', pg_catalog.pg_get_functiondef(p.oid), pg_catalog.pg_get_userbyid(p.proowner))
    FROM pg_catalog.pg_proc AS p
    WHERE p.pronamespace = 'freshlist'::regnamespace AND p.proname LIKE 'properties\_%'
    UNION ALL
    SELECT pg_catalog.pg_get_triggerdef(t.oid)
    FROM pg_catalog.pg_trigger AS t
    WHERE t.tgrelid = pg_catalog.to_regclass('public.properties') AND t.tgname LIKE 'freshlist\_%'
    UNION ALL
    SELECT concat_ws(' ', c.relname, c.relkind, c.relpersistence, a.attnum, a.attname, a.atttypid::regtype, a.attnotnull)
    FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0
    WHERE c.relnamespace = 'freshlist'::regnamespace AND c.relkind IN ('r', 'c') AND c.relname ~ '^propert(y|ies)'
    UNION ALL
    SELECT pg_catalog.pg_get_indexdef(i.indexrelid)
    FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_index AS i ON i.indrelid = c.oid
    WHERE c.relnamespace = 'freshlist'::regnamespace AND c.relname LIKE 'properties\_%'
    UNION ALL
    SELECT pg_catalog.pg_get_viewdef(c.oid)
    FROM pg_catalog.pg_class AS c
    WHERE c.relnamespace = 'freshlist'::regnamespace AND c.relkind = 'v' AND c.relname LIKE 'properties\_%'
) AS installed (definition)
$function$;

REVOKE ALL ON FUNCTION freshlist.properties_definitions() FROM PUBLIC;

-- What is wrong with capture, '' if nothing is. While there is a fault nothing may be cached.
-- (Row security is no fault: whoever reads listings in order to cache them looks whether he is
-- subject to it. Rules and other triggers are none either: whatever they do to the table in
-- the end fires its triggers.)
CREATE OR REPLACE FUNCTION freshlist.properties_fault() RETURNS text
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    watched constant oid := pg_catalog.to_regclass('public.properties');
    installed constant text := obj_description('freshlist'::regnamespace, 'pg_namespace');
    fault text;
BEGIN
    IF watched IS NULL THEN
        RETURN 'there is no table public.properties';
    END IF;
    IF EXISTS (
        SELECT FROM pg_catalog.pg_class
        WHERE oid = watched AND (relkind <> 'r' OR relispartition OR relpersistence = 't')
    ) THEN
        RETURN 'public.properties is not an ordinary table';
    END IF;
    IF EXISTS (SELECT FROM pg_catalog.pg_inherits WHERE watched IN (inhrelid, inhparent)) THEN
        RETURN 'public.properties inherits or is inherited: edits of the other table fire no trigger of this one';
    END IF;
    IF EXISTS (SELECT FROM pg_catalog.pg_subscription_rel WHERE srrelid = watched) THEN
        RETURN 'public.properties is fed by logical replication, which fires no statement triggers';
    END IF;
    fault := freshlist.properties_misfits();
    IF pg_catalog.to_regclass('freshlist.properties_guard') IS NULL THEN
        RETURN concat_ws('; ', 'a watched column, or a table of freshlist, was dropped with CASCADE', nullif(fault, ''));
    END IF;
    IF fault <> '' THEN
        RETURN fault || '; run "invalidator uninstall" before and "invalidator install" after it';
    END IF;
    SELECT string_agg(
        CASE WHEN t.oid IS NULL THEN format('trigger freshlist_%s is missing', event)
             ELSE format('trigger freshlist_%s is not ENABLE ALWAYS', event) END, '; ')
    INTO fault
    FROM unnest(ARRAY['insert', 'update', 'delete', 'truncate']) AS event
    LEFT JOIN pg_catalog.pg_trigger AS t ON t.tgrelid = watched AND t.tgname = 'freshlist_' || event
    WHERE t.tgenabled IS DISTINCT FROM 'A';
    IF fault IS NOT NULL THEN
        RETURN fault;
    END IF;
    SELECT string_agg(quote_ident(c.name), ', ' ORDER BY c.number) INTO fault
    FROM freshlist.properties_columns() AS c
    WHERE (freshlist.properties_positions())[c.number + 1] IS DISTINCT FROM
        (pg_catalog.string_to_array(split_part(installed, ' ', 3), ',')::smallint[])[c.number + 1];
    IF fault IS NOT NULL THEN
        RETURN 'columns of public.properties were renamed, and by these names capture knows others: ' || fault;
    END IF;
    IF EXISTS (
        SELECT FROM pg_catalog.pg_class AS c
        WHERE c.relnamespace = 'freshlist'::regnamespace AND c.relname LIKE 'properties\_%' AND c.relkind = 'r'
            AND (
                c.relrowsecurity OR c.relhastriggers OR c.relhasrules
                OR c.oid IN (SELECT inhrelid FROM pg_catalog.pg_inherits UNION ALL SELECT inhparent FROM pg_catalog.pg_inherits)
            )
    ) THEN
        RETURN 'a table of freshlist has, or had, triggers, rules, row security or relatives, which may have taken changes away';
    END IF;
    IF EXISTS (
        SELECT FROM pg_catalog.pg_proc
        WHERE pronamespace = 'freshlist'::regnamespace AND proname LIKE 'properties\_%'
            AND has_function_privilege('public', oid, 'EXECUTE')
    ) THEN
        RETURN 'PUBLIC may execute a function of freshlist, and so forge changes';
    END IF;
    IF split_part(installed, ' ', 2) IS DISTINCT FROM freshlist.properties_definitions() THEN
        RETURN 'functions, triggers or tables of freshlist are not as they were installed';
    END IF;
    RETURN '';
END
$function$;

REVOKE ALL ON FUNCTION freshlist.properties_fault() FROM PUBLIC;

-- 130_repair.sql

-- Sets right what ALTER TABLE ... ENABLE TRIGGER leaves behind, as after a load with triggers
-- disabled (pg_restore --disable-triggers does it): a trigger of ours that is enabled, but not
-- ALWAYS, does not fire for a session with session_replication_role = replica. Returns what it
-- did, '' if nothing. A disabled trigger is left alone: somebody may be loading.
--
-- The lock waits for writers, who may have gone past a trigger, but not for long: others would
-- queue up behind it. Without anything to do none is taken. What went by unseen shows in the
-- catalog: whoever calls this begins a new epoch.

CREATE OR REPLACE FUNCTION freshlist.properties_repair() RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '100ms'
AS $function$
DECLARE
    half_enabled constant text := $query$
        SELECT t.tgname
        FROM pg_catalog.pg_trigger AS t
        JOIN pg_catalog.pg_class AS c ON c.oid = t.tgrelid
        JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
        WHERE n.nspname = 'public' AND c.relname = 'properties' AND t.tgenabled IN ('O', 'R')
            AND t.tgname IN ('freshlist_insert', 'freshlist_update', 'freshlist_delete', 'freshlist_truncate')
        ORDER BY t.tgname
    $query$;
    found name;
    repaired text[];
BEGIN
    EXECUTE half_enabled INTO found;
    IF found IS NULL THEN
        RETURN '';
    END IF;
    LOCK TABLE public.properties IN SHARE ROW EXCLUSIVE MODE;
    FOR found IN EXECUTE half_enabled LOOP
        EXECUTE format('ALTER TABLE public.properties ENABLE ALWAYS TRIGGER %I', found);
        repaired := repaired || found::text;
    END LOOP;
    RETURN coalesce('ENABLE ALWAYS ' || array_to_string(repaired, ', '), '');
END
$function$;

REVOKE ALL ON FUNCTION freshlist.properties_repair() FROM PUBLIC;

