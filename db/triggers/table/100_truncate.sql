-- Captures TRUNCATE, also by CASCADE from another table.

CREATE OR REPLACE FUNCTION {{.Own "truncate"}}() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM {{.Own "whole_table"}}();
    RETURN NULL;
EXCEPTION WHEN OTHERS THEN
    -- The ground is gone: see 080_update.sql.
    RETURN NULL;
END
$function$;

REVOKE ALL ON FUNCTION {{.Own "truncate"}}() FROM PUBLIC;

CREATE OR REPLACE TRIGGER freshlist_truncate AFTER TRUNCATE ON {{.Relation}}
    FOR EACH STATEMENT EXECUTE FUNCTION {{.Own "truncate"}}();

ALTER TABLE {{.Relation}} ENABLE ALWAYS TRIGGER freshlist_truncate;
