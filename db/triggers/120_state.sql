-- Whether capture is what it should be. With every beat the invalidator asks for the
-- catalog, in the snapshot of the changes that it reads; another one than before means that
-- changes may have gone by unseen, and then it asks for the fault.

-- A fingerprint of everything that capture rests on: the table (rewritten, altered, renamed
-- into place, partitioned, inherited, fed by logical replication, under row security), its
-- triggers and their functions, the tables of this schema and the guard view.
--
-- It looks at xmin, the transaction that wrote a row of the catalog, since what comes and goes
-- between two looks may leave everything else as it was:
--   a column                inherited from another table for a while, retyped and back
--   the table's row type    renamed or moved along with the table: another one stood in its place
--   a schema                renamed for a while: capture did not find its own
--   a trigger, a function   disabled, replaced
--   the table of changes    under a trigger, a rule, row security; rewritten, truncated
-- (Whatever changes in a row of the catalog changes its xmin.) It does not look at xmin of the
-- table itself, which each GRANT and REVOKE changes.
--
-- The functions and relations of this schema are called properties_...: by their names the
-- indexes of the catalog find them, where a look by schema would read all functions of the
-- database. What somebody else keeps in this schema is not looked at.
CREATE OR REPLACE FUNCTION freshlist.properties_catalog() RETURNS text
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    RETURN (
        WITH watched AS (
            SELECT
                c.oid, c.relname, c.relkind, c.relfilenode, c.relispartition, c.relrowsecurity, c.relforcerowsecurity,
                t.xmin AS type, n.oid AS schema, n.xmin AS schema_written,
                (SELECT i.indexrelid FROM pg_catalog.pg_index AS i WHERE i.indrelid = c.oid AND i.indisprimary) AS key
            FROM pg_catalog.pg_class AS c
            JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
            LEFT JOIN pg_catalog.pg_type AS t ON t.oid = c.reltype
            WHERE n.nspname = 'public' AND c.relname = 'properties'
        ), own AS (
            SELECT oid, xmin FROM pg_catalog.pg_namespace WHERE nspname = 'freshlist'
        )
        SELECT md5(string_agg(line, E'\n' ORDER BY line COLLATE "C"))
        FROM (
            SELECT concat_ws(' ', 'table', w.*) FROM watched AS w
            UNION ALL
            SELECT concat_ws(' ', 'schema', own.oid, own.xmin) FROM own
            UNION ALL
            SELECT concat_ws(' ', 'column', a.attnum, a.xmin)
            FROM watched AS w JOIN pg_catalog.pg_attribute AS a ON a.attrelid = w.oid AND a.attnum > 0
            UNION ALL
            SELECT concat_ws(' ', 'trigger', t.oid, t.xmin)
            FROM watched AS w JOIN pg_catalog.pg_trigger AS t ON t.tgrelid = w.oid AND t.tgname LIKE 'freshlist\_%'
            UNION ALL
            SELECT concat_ws(' ', 'policy', p.oid, p.xmin)
            FROM watched AS w JOIN pg_catalog.pg_policy AS p ON p.polrelid = w.oid
            UNION ALL
            SELECT concat_ws(' ', 'inheritance', i.inhrelid, i.inhparent)
            FROM watched AS w JOIN pg_catalog.pg_inherits AS i ON w.oid IN (i.inhrelid, i.inhparent)
            UNION ALL
            SELECT concat_ws(' ', 'subscription', s.srsubid)
            FROM watched AS w JOIN pg_catalog.pg_subscription_rel AS s ON s.srrelid = w.oid
            UNION ALL
            SELECT concat_ws(' ', 'function', p.oid, p.xmin)
            FROM own JOIN pg_catalog.pg_proc AS p ON p.pronamespace = own.oid AND p.proname LIKE 'properties\_%'
            UNION ALL
            SELECT concat_ws(' ', 'relation', c.oid, CASE WHEN c.relkind <> 'i' THEN c.xmin END)
            FROM own JOIN pg_catalog.pg_class AS c ON c.relnamespace = own.oid AND c.relname LIKE 'properties\_%'
            WHERE c.relkind IN ('r', 'v', 'i')
        ) AS state (line)
    );
END
$function$;

REVOKE ALL ON FUNCTION freshlist.properties_catalog() FROM PUBLIC;

-- What the installed objects are defined as, all in one hash. An installation keeps it in the
-- schema's comment, behind the hash of the files that it was made from.
CREATE OR REPLACE FUNCTION freshlist.properties_definitions() RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
SELECT pg_catalog.md5(pg_catalog.string_agg(definition, E'\n' ORDER BY definition COLLATE "C"))
FROM (
    SELECT concat_ws(' ', pg_catalog.pg_get_functiondef(p.oid), pg_catalog.pg_get_userbyid(p.proowner))
    FROM pg_catalog.pg_proc AS p
    WHERE p.pronamespace = 'freshlist'::regnamespace AND p.proname LIKE 'properties\_%'
    UNION ALL
    SELECT pg_catalog.pg_get_triggerdef(t.oid)
    FROM pg_catalog.pg_trigger AS t
    WHERE t.tgrelid = pg_catalog.to_regclass('public.properties') AND t.tgname LIKE 'freshlist\_%'
    UNION ALL
    SELECT concat_ws(' ', c.relname, c.relkind, c.relpersistence, a.attnum, a.attname, a.atttypid::regtype, a.attnotnull)
    FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0
    WHERE c.relnamespace = 'freshlist'::regnamespace AND c.relkind IN ('r', 'c') AND c.relname ~ '^propert(y|ies)'
    UNION ALL
    SELECT pg_catalog.pg_get_indexdef(i.indexrelid)
    FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_index AS i ON i.indrelid = c.oid
    WHERE c.relnamespace = 'freshlist'::regnamespace AND c.relname LIKE 'properties\_%'
    UNION ALL
    SELECT pg_catalog.pg_get_viewdef(c.oid)
    FROM pg_catalog.pg_class AS c
    WHERE c.relnamespace = 'freshlist'::regnamespace AND c.relkind = 'v' AND c.relname LIKE 'properties\_%'
) AS installed (definition)
$function$;

REVOKE ALL ON FUNCTION freshlist.properties_definitions() FROM PUBLIC;

-- What is wrong with capture, '' if nothing is. While there is a fault nothing may be cached.
-- (Row security is no fault: whoever reads listings in order to cache them looks whether he is
-- subject to it. Rules and other triggers are none either: whatever they do to the table in
-- the end fires its triggers.)
CREATE OR REPLACE FUNCTION freshlist.properties_fault() RETURNS text
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    watched constant oid := pg_catalog.to_regclass('public.properties');
    installed constant text := obj_description('freshlist'::regnamespace, 'pg_namespace');
    fault text;
BEGIN
    IF watched IS NULL THEN
        RETURN 'there is no table public.properties';
    END IF;
    IF EXISTS (
        SELECT FROM pg_catalog.pg_class
        WHERE oid = watched AND (relkind <> 'r' OR relispartition OR relpersistence = 't')
    ) THEN
        RETURN 'public.properties is not an ordinary table';
    END IF;
    IF EXISTS (SELECT FROM pg_catalog.pg_inherits WHERE watched IN (inhrelid, inhparent)) THEN
        RETURN 'public.properties inherits or is inherited: edits of the other table fire no trigger of this one';
    END IF;
    IF EXISTS (SELECT FROM pg_catalog.pg_subscription_rel WHERE srrelid = watched) THEN
        RETURN 'public.properties is fed by logical replication, which fires no statement triggers';
    END IF;
    fault := freshlist.properties_misfits();
    IF pg_catalog.to_regclass('freshlist.properties_guard') IS NULL THEN
        RETURN concat_ws('; ', 'a watched column, or a table of freshlist, was dropped with CASCADE', nullif(fault, ''));
    END IF;
    IF fault <> '' THEN
        RETURN fault || '; run "invalidator uninstall" before and "invalidator install" after it';
    END IF;
    SELECT string_agg(
        CASE WHEN t.oid IS NULL THEN format('trigger freshlist_%s is missing', event)
             ELSE format('trigger freshlist_%s is not ENABLE ALWAYS', event) END, '; ')
    INTO fault
    FROM unnest(ARRAY['insert', 'update', 'delete', 'truncate']) AS event
    LEFT JOIN pg_catalog.pg_trigger AS t ON t.tgrelid = watched AND t.tgname = 'freshlist_' || event
    WHERE t.tgenabled IS DISTINCT FROM 'A';
    IF fault IS NOT NULL THEN
        RETURN fault;
    END IF;
    SELECT string_agg(quote_ident(c.name), ', ' ORDER BY c.number) INTO fault
    FROM freshlist.properties_columns() AS c
    WHERE (freshlist.properties_positions())[c.number + 1] IS DISTINCT FROM
        (pg_catalog.string_to_array(split_part(installed, ' ', 3), ',')::smallint[])[c.number + 1];
    IF fault IS NOT NULL THEN
        RETURN 'columns of public.properties were renamed, and by these names capture knows others: ' || fault;
    END IF;
    IF EXISTS (
        SELECT FROM pg_catalog.pg_class AS c
        WHERE c.relnamespace = 'freshlist'::regnamespace AND c.relname LIKE 'properties\_%' AND c.relkind = 'r'
            AND (
                c.relrowsecurity OR c.relhastriggers OR c.relhasrules
                OR c.oid IN (SELECT inhrelid FROM pg_catalog.pg_inherits UNION ALL SELECT inhparent FROM pg_catalog.pg_inherits)
            )
    ) THEN
        RETURN 'a table of freshlist has, or had, triggers, rules, row security or relatives, which may have taken changes away';
    END IF;
    IF EXISTS (
        SELECT FROM pg_catalog.pg_proc
        WHERE pronamespace = 'freshlist'::regnamespace AND proname LIKE 'properties\_%'
            AND has_function_privilege('public', oid, 'EXECUTE')
    ) THEN
        RETURN 'PUBLIC may execute a function of freshlist, and so forge changes';
    END IF;
    IF split_part(installed, ' ', 2) IS DISTINCT FROM freshlist.properties_definitions() THEN
        RETURN 'functions, triggers or tables of freshlist are not as they were installed';
    END IF;
    RETURN '';
END
$function$;

REVOKE ALL ON FUNCTION freshlist.properties_fault() FROM PUBLIC;
