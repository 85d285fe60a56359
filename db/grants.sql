-- What each role may do with what is there: run by the owner after every migration and
-- installation. A role that does not exist is left out; one role may be all three. Rights
-- that a role has already are not granted again, since each grant would write to the catalog.

DO $$
DECLARE
    installed constant boolean := coalesce(has_function_privilege(to_regprocedure('freshlist.tables()'), 'EXECUTE'), false);
    listed    text[] := ARRAY[to_regclass('public.properties')::text];
    watched   text[] := '{}';
    needed    record;
    satisfied boolean;
BEGIN
    IF installed THEN
        SELECT array_agg(spelled), array_agg(changes) INTO listed, watched FROM freshlist.tables() WHERE id IS NOT NULL;
    END IF;
    FOR needed IN
        SELECT role, kind, object, privilege
        FROM (
            SELECT 'freshlist_api', 'table', t, privilege
            FROM unnest(listed) AS t, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS privilege
            UNION ALL SELECT 'freshlist_invalidator', 'table', t, 'SELECT' FROM unnest(listed) AS t
            UNION ALL -- a column that counts takes its values from a sequence that belongs to it
            SELECT 'freshlist_api', 'sequence', d.objid::regclass::text, 'USAGE'
            FROM unnest(listed) AS t
            JOIN pg_depend AS d ON d.refobjid = t::regclass AND d.refclassid = 'pg_class'::regclass AND d.classid = 'pg_class'::regclass
            JOIN pg_class AS s ON s.oid = d.objid AND s.relkind = 'S'
            WHERE d.deptype = 'a'
            UNION ALL
            SELECT role, 'schema', n.nspname, 'USAGE'
            FROM unnest(listed) AS t
            JOIN pg_class AS c ON c.oid = t::regclass
            JOIN pg_namespace AS n ON n.oid = c.relnamespace, unnest(ARRAY['freshlist_api', 'freshlist_invalidator']) AS role
            WHERE has_schema_privilege(n.oid, 'USAGE WITH GRANT OPTION')
            UNION ALL
            SELECT * FROM (VALUES
                ('freshlist_api', 'schema', 'freshlist', 'USAGE'),
                ('freshlist_api', 'table', 'freshlist.description', 'SELECT'),
                ('freshlist_api', 'table', 'freshlist.idempotency_keys', 'SELECT'),
                ('freshlist_api', 'table', 'freshlist.idempotency_keys', 'INSERT'),
                ('freshlist_api', 'table', 'freshlist.idempotency_keys', 'UPDATE'),
                ('freshlist_api', 'table', 'freshlist.idempotency_keys', 'DELETE'),
                ('freshlist_api', 'function', 'freshlist.epoch()', 'EXECUTE'),
                ('freshlist_api', 'function', 'freshlist.described()', 'EXECUTE'),
                ('freshlist_api', 'function', 'freshlist.banner()', 'EXECUTE'),
                ('freshlist_invalidator', 'schema', 'freshlist', 'USAGE'),
                ('freshlist_invalidator', 'table', 'freshlist.description', 'SELECT'),
                ('freshlist_invalidator', 'table', 'freshlist.marker', 'SELECT'),
                ('freshlist_invalidator', 'table', 'freshlist.marker', 'INSERT'),
                ('freshlist_invalidator', 'table', 'freshlist.marker', 'UPDATE'),
                ('freshlist_invalidator', 'table', 'freshlist.banner', 'SELECT'),
                ('freshlist_invalidator', 'table', 'freshlist.banner', 'INSERT'),
                ('freshlist_invalidator', 'table', 'freshlist.banner', 'UPDATE'),
                ('freshlist_invalidator', 'function', 'freshlist.catalog()', 'EXECUTE'),
                ('freshlist_invalidator', 'function', 'freshlist.fault()', 'EXECUTE'),
                ('freshlist_invalidator', 'function', 'freshlist.repair()', 'EXECUTE')
            ) AS ours WHERE installed
            UNION ALL
            SELECT 'freshlist_invalidator', 'table', t, privilege FROM unnest(watched) AS t, unnest(ARRAY['SELECT', 'DELETE']) AS privilege
        ) AS rights (role, kind, object, privilege)
        WHERE to_regrole(role) IS NOT NULL AND object IS NOT NULL
          AND (kind <> 'table' OR to_regclass(object) IS NOT NULL) AND (kind <> 'function' OR to_regprocedure(object) IS NOT NULL)
    LOOP
        EXECUTE format('SELECT has_%s_privilege($1, $2, $3)', needed.kind)
            INTO satisfied USING needed.role, needed.object, needed.privilege;
        IF NOT satisfied THEN
            EXECUTE format('GRANT %s ON %s %s TO %s', needed.privilege, needed.kind,
                CASE needed.kind WHEN 'schema' THEN quote_ident(needed.object) ELSE needed.object END, needed.role);
        END IF;
    END LOOP;
END
$$;
