-- What each role may do, for as much of it as is there: run by the owner after every
-- migration and installation. A role that does not exist is left out; one role may be
-- all three.
DO $$
DECLARE
    installed constant boolean := to_regclass('freshlist.properties_changes') IS NOT NULL;
BEGIN
    IF to_regrole('freshlist_api') IS NOT NULL AND to_regclass('public.properties') IS NOT NULL THEN
        GRANT SELECT, INSERT, UPDATE, DELETE ON public.properties TO freshlist_api;
    END IF;
    IF to_regrole('freshlist_api') IS NOT NULL AND installed THEN
        GRANT USAGE ON SCHEMA freshlist TO freshlist_api;
        GRANT EXECUTE ON FUNCTION freshlist.properties_epoch() TO freshlist_api;
    END IF;
    IF to_regrole('freshlist_invalidator') IS NOT NULL AND to_regclass('public.properties') IS NOT NULL THEN
        GRANT SELECT ON public.properties TO freshlist_invalidator;
    END IF;
    IF to_regrole('freshlist_invalidator') IS NOT NULL AND installed THEN
        GRANT USAGE ON SCHEMA freshlist TO freshlist_invalidator;
        GRANT SELECT, DELETE ON freshlist.properties_changes TO freshlist_invalidator;
        GRANT SELECT, INSERT, UPDATE ON freshlist.properties_marker TO freshlist_invalidator;
        GRANT EXECUTE ON FUNCTION freshlist.properties_catalog(), freshlist.properties_fault() TO freshlist_invalidator;
    END IF;
END
$$;
