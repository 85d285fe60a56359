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
