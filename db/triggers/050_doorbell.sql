-- Ring for the invalidator, if it sleeps.
--
-- NOTIFY takes a lock of the whole cluster at commit, so writers avoid it: while the
-- invalidator is awake nobody holds the lock tried here exclusively, and trying it shared
-- is all that a writer does. The invalidator falls asleep only once it has been granted
-- the lock, that is, after every silent writer has ended; whoever tries from then on, or
-- while it waits, fails and rings. A rollback to a savepoint undoes row, lock and ring.
--
-- With max_prepared_transactions nobody rings (NOTIFY forbids PREPARE TRANSACTION) and the
-- invalidator polls. The number is schema.DoorbellLock.

CREATE OR REPLACE FUNCTION freshlist.ring() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF current_setting('max_prepared_transactions') = '0'
        AND NOT pg_try_advisory_xact_lock_shared(7382074285561244019) THEN
        PERFORM pg_notify('freshlist', '');
    END IF;
END
$$;

REVOKE ALL ON FUNCTION freshlist.ring() FROM PUBLIC;

-- Note that anything may have changed. This is the way out where the typed row cannot be
-- written: it must not fail the writer's statement whatever is missing, and only it pays
-- for that with a subtransaction.
CREATE OR REPLACE FUNCTION freshlist.whole_table() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    INSERT INTO freshlist.properties_changes (xid, kind) VALUES (pg_current_xact_id(), 2);
    PERFORM freshlist.ring();
EXCEPTION WHEN OTHERS THEN
    -- The changes table is gone: the invalidator sees that in the catalog and stops beating.
    NULL;
END
$$;

REVOKE ALL ON FUNCTION freshlist.whole_table() FROM PUBLIC;
