-- Sets right what ALTER TABLE ... ENABLE TRIGGER leaves behind, as after a load with triggers
-- disabled (pg_restore --disable-triggers does it): a trigger of ours that is enabled, but not
-- ALWAYS, does not fire for a session with session_replication_role = replica. Returns what it
-- did, '' if nothing. A disabled trigger is left alone: somebody may be loading.
--
-- The lock waits for writers, who may have gone past a trigger, but not for long: others would
-- queue up behind it. Without anything to do none is taken. What went by unseen shows in the
-- catalog: whoever calls this begins a new epoch.

CREATE OR REPLACE FUNCTION freshlist.properties_repair() RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '100ms'
AS $function$
DECLARE
    half_enabled constant text := $query$
        SELECT t.tgname
        FROM pg_catalog.pg_trigger AS t
        JOIN pg_catalog.pg_class AS c ON c.oid = t.tgrelid
        JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
        WHERE n.nspname = 'public' AND c.relname = 'properties' AND t.tgenabled IN ('O', 'R')
            AND t.tgname IN ('freshlist_insert', 'freshlist_update', 'freshlist_delete', 'freshlist_truncate')
        ORDER BY t.tgname
    $query$;
    found name;
    repaired text[];
BEGIN
    EXECUTE half_enabled INTO found;
    IF found IS NULL THEN
        RETURN '';
    END IF;
    LOCK TABLE public.properties IN SHARE ROW EXCLUSIVE MODE;
    FOR found IN EXECUTE half_enabled LOOP
        EXECUTE format('ALTER TABLE public.properties ENABLE ALWAYS TRIGGER %I', found);
        repaired := repaired || found::text;
    END LOOP;
    RETURN coalesce('ENABLE ALWAYS ' || array_to_string(repaired, ', '), '');
END
$function$;

REVOKE ALL ON FUNCTION freshlist.properties_repair() FROM PUBLIC;
