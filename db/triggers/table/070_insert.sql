-- Captures INSERT, COPY, and the inserting halves of MERGE and ON CONFLICT.

CREATE OR REPLACE FUNCTION {{.Own "insert"}}() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    -- The ground is gone: see 080_update.sql.
    IF pg_catalog.to_regclass({{literal (.Own "guard")}}) IS NULL
        OR pg_catalog.to_regclass({{literal (.Own "changes")}}) IS NULL
    THEN
        BEGIN
            PERFORM {{.Own "whole_table"}}();
        EXCEPTION WHEN OTHERS THEN
            NULL;
        END;
        RETURN NULL;
    END IF;

    IF NOT EXISTS (SELECT FROM new_rows) THEN
        RETURN NULL;
    END IF;

    -- Nobody has been reading for long: see 080_update.sql.
    IF pg_catalog.pg_stat_get_live_tuples({{literal (.Own "changes")}}::pg_catalog.regclass) > 4000000 THEN
        PERFORM {{.Own "whole_table"}}();
        RETURN NULL;
    END IF;

    IF EXISTS (SELECT FROM new_rows OFFSET 10000) THEN
        EXECUTE {{.Own "bulk"}}('SELECT * FROM new_rows');
    ELSE
        INSERT INTO {{.Own "changes"}} (xid, new_row)
        SELECT pg_catalog.pg_current_xact_id(), {{.Own "image"}}(r.*) FROM new_rows AS r;
    END IF;

    -- The doorbell: see 080_update.sql.
    IF NOT pg_catalog.pg_try_advisory_xact_lock_shared(7382074285561244019) AND freshlist.may_ring() THEN
        PERFORM pg_catalog.pg_notify('freshlist', '');
    END IF;
    RETURN NULL;
END
$function$;

REVOKE ALL ON FUNCTION {{.Own "insert"}}() FROM PUBLIC;

CREATE OR REPLACE TRIGGER freshlist_insert AFTER INSERT ON {{.Relation}}
    REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION {{.Own "insert"}}();

ALTER TABLE {{.Relation}} ENABLE ALWAYS TRIGGER freshlist_insert;
