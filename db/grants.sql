-- What each role may do with what is there: run by the owner after every migration and
-- installation. A role that does not exist is left out; one role may be all three. Rights
-- that a role has already are not granted again, since each grant would write to the catalog.

DO $$
DECLARE
    listings  constant regclass := to_regclass('public.properties');
    changes   constant regclass := to_regclass('freshlist.properties_changes');
    marker    constant regclass := to_regclass('freshlist.properties_marker');
    needed    record;
    satisfied boolean;
BEGIN
    FOR needed IN
        SELECT * FROM (VALUES
            ('freshlist_api', 'table', listings::text, 'SELECT'),
            ('freshlist_api', 'table', listings::text, 'INSERT'),
            ('freshlist_api', 'table', listings::text, 'UPDATE'),
            ('freshlist_api', 'table', listings::text, 'DELETE'),
            ('freshlist_api', 'schema', 'freshlist', 'USAGE'),
            ('freshlist_api', 'function', 'freshlist.properties_epoch()', 'EXECUTE'),
            ('freshlist_invalidator', 'table', listings::text, 'SELECT'),
            ('freshlist_invalidator', 'schema', 'freshlist', 'USAGE'),
            ('freshlist_invalidator', 'table', changes::text, 'SELECT'),
            ('freshlist_invalidator', 'table', changes::text, 'DELETE'),
            ('freshlist_invalidator', 'table', marker::text, 'SELECT'),
            ('freshlist_invalidator', 'table', marker::text, 'INSERT'),
            ('freshlist_invalidator', 'table', marker::text, 'UPDATE'),
            ('freshlist_invalidator', 'function', 'freshlist.properties_catalog()', 'EXECUTE'),
            ('freshlist_invalidator', 'function', 'freshlist.properties_fault()', 'EXECUTE'),
            ('freshlist_invalidator', 'function', 'freshlist.properties_repair()', 'EXECUTE')
        ) AS rights (role, kind, object, privilege)
        WHERE to_regrole(role) IS NOT NULL AND object IS NOT NULL
          AND (object NOT LIKE 'freshlist%' OR changes IS NOT NULL)
    LOOP
        EXECUTE format('SELECT has_%s_privilege($1, $2, $3)', needed.kind)
            INTO satisfied USING needed.role, needed.object, needed.privilege;
        IF NOT satisfied THEN
            EXECUTE format('GRANT %s ON %s %s TO %s', needed.privilege, needed.kind, needed.object, needed.role);
        END IF;
    END LOOP;
END
$$;
