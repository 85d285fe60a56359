-- Sets right what ALTER TABLE ... ENABLE TRIGGER leaves behind, as after a load with triggers
-- disabled (pg_restore --disable-triggers does it): a trigger of ours that is enabled, but not
-- ALWAYS, does not fire for a session with session_replication_role = replica. Returns what it
-- did, '' if nothing. A disabled trigger is left alone: somebody may be loading.
--
-- A lock waits for writers, who may have gone past a trigger, but not for long: others would
-- queue up behind it. Without anything to do none is taken. What went by unseen shows in the
-- catalog: whoever calls this begins a new epoch.

CREATE OR REPLACE FUNCTION freshlist.repair() RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '100ms'
AS $function$
DECLARE
    half_enabled constant text := $query$
        SELECT d.id, d.spelled, t.tgname
        FROM freshlist.tables() AS d
        JOIN pg_catalog.pg_trigger AS t ON t.tgrelid = d.id
        WHERE t.tgenabled IN ('O', 'R')
            AND t.tgname IN ('freshlist_insert', 'freshlist_update', 'freshlist_delete', 'freshlist_truncate')
        ORDER BY d.schema, d.name, t.tgname
    $query$;
    half record;
    locked oid[] := '{}';
    repaired text[];
BEGIN
    FOR half IN EXECUTE half_enabled LOOP
        IF half.id <> ALL (locked) THEN
            EXECUTE format('LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE', half.spelled);
            locked := locked || half.id;
        END IF;
    END LOOP;
    FOR half IN EXECUTE half_enabled LOOP
        IF half.id = ANY (locked) THEN
            EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', half.spelled, half.tgname);
            repaired := repaired || format('%s on %s', half.tgname, half.spelled);
        END IF;
    END LOOP;
    RETURN coalesce('ENABLE ALWAYS ' || array_to_string(repaired, ', '), '');
END
$function$;

REVOKE ALL ON FUNCTION freshlist.repair() FROM PUBLIC;
