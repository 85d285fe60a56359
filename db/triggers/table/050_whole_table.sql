-- Records that anything in the table {{.Name}} may have changed. One row stands for one
-- statement and never for several: a row that is pending already may be consumed before
-- this transaction commits.

CREATE OR REPLACE FUNCTION {{.Own "whole_table"}}() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF pg_catalog.to_regclass({{literal (.Own "changes")}}) IS NULL THEN
        RETURN; -- the ground is gone: see 080_update.sql
    END IF;
    INSERT INTO {{.Own "changes"}} (xid) VALUES (pg_catalog.pg_current_xact_id());

    -- The doorbell: see 080_update.sql.
    IF NOT pg_catalog.pg_try_advisory_xact_lock_shared(7382074285561244019) AND freshlist.may_ring() THEN
        PERFORM pg_catalog.pg_notify('freshlist', '');
    END IF;
END
$function$;

REVOKE ALL ON FUNCTION {{.Own "whole_table"}}() FROM PUBLIC;
