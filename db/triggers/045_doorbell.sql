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
