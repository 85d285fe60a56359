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
