-- Whether a writer that did not get the doorbell's lock may ring for it.
--
-- NOTIFY waits, at commit, for a lock of the whole cluster, and a time-out that counts then
-- would fail a commit that is none of the invalidator's business: lock_timeout, and where
-- there is one (PostgreSQL 17) transaction_timeout. PREPARE TRANSACTION refuses a transaction
-- that has rung. In all these cases the invalidator finds the change by looking, with the
-- next beat at the latest.

CREATE OR REPLACE FUNCTION freshlist.properties_may_ring() RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
SELECT pg_catalog.current_setting('lock_timeout') = '0'
    AND coalesce(pg_catalog.current_setting('transaction_timeout', true), '0') = '0'
    AND pg_catalog.current_setting('max_prepared_transactions') = '0'
$function$;

REVOKE ALL ON FUNCTION freshlist.properties_may_ring() FROM PUBLIC;
