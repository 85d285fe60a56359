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
