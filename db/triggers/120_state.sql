-- Whether capture is what it should be. With every beat the invalidator asks for the
-- catalog, in the snapshot of the changes that it reads; another one than before means that
-- changes may have gone by unseen, and then it asks for the fault.

-- A fingerprint of everything that capture and the description rest on: the tables (rewritten,
-- altered, renamed into place, partitioned, inherited, fed by logical replication, under row
-- security), their triggers and functions, the types of their columns, the indexes of their
-- keys, the tables of this schema and the guard views.
--
-- It looks at xmin, the transaction that wrote a row of the catalog, since what comes and goes
-- between two looks may leave everything else as it was:
--   a column                inherited from another table for a while, retyped and back
--   a table's row type      renamed or moved along with the table: another one stood in its place
--   a type of a column      renamed, or with another label or attribute
--   a schema                renamed for a while: capture did not find its own
--   a trigger, a function   disabled, replaced
--   a table of changes      under a trigger, a rule, row security; rewritten, truncated
-- (Whatever changes in a row of the catalog changes its xmin.) It does not look at xmin of the
-- tables themselves, which each GRANT and REVOKE changes, nor at PostgreSQL's own types, whose
-- numbers are below 16384 and which nobody changes.
--
-- The functions and relations of this schema are looked up by their names, by which the indexes
-- of the catalog find them: a look by schema would read all functions of the database. What
-- somebody else keeps in this schema is not looked at.
CREATE OR REPLACE FUNCTION freshlist.catalog() RETURNS text
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    RETURN (
        WITH RECURSIVE watched AS (
            SELECT
                c.oid, c.relname, c.relkind, c.relfilenode, c.relispartition, c.relrowsecurity, c.relforcerowsecurity,
                t.xmin AS type, n.oid AS schema, n.xmin AS schema_written
            FROM freshlist.tables() AS d
            JOIN pg_catalog.pg_class AS c ON c.oid = d.id
            JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
            LEFT JOIN pg_catalog.pg_type AS t ON t.oid = c.reltype
        ), attributes AS (
            SELECT a.attrelid, a.attnum, a.xmin, a.atttypid, a.attcollation
            FROM watched AS w JOIN pg_catalog.pg_attribute AS a ON a.attrelid = w.oid AND a.attnum > 0
        ), types (id) AS (
            SELECT a.atttypid FROM attributes AS a WHERE a.atttypid >= 16384
            UNION
            SELECT part.id
            FROM types
            JOIN pg_catalog.pg_type AS t ON t.oid = types.id
            CROSS JOIN LATERAL (
                SELECT t.typbasetype
                UNION ALL SELECT t.typelem
                UNION ALL SELECT r.rngsubtype FROM pg_catalog.pg_range AS r WHERE r.rngtypid = t.oid
                UNION ALL SELECT a.atttypid FROM pg_catalog.pg_attribute AS a WHERE a.attrelid = t.typrelid AND a.attnum > 0
            ) AS part (id)
            WHERE part.id >= 16384
        ), own AS (
            SELECT oid, xmin FROM pg_catalog.pg_namespace WHERE nspname = 'freshlist'
        )
        SELECT md5(string_agg(line, E'\n' ORDER BY line COLLATE "C"))
        FROM (
            SELECT concat_ws(' ', 'table', w.*) FROM watched AS w
            UNION ALL
            SELECT concat_ws(' ', 'schema', own.oid, own.xmin) FROM own
            UNION ALL
            SELECT concat_ws(' ', 'column', a.attrelid, a.attnum, a.xmin) FROM attributes AS a
            UNION ALL
            SELECT concat_ws(' ', 'collation', l.oid, l.xmin)
            FROM attributes AS a JOIN pg_catalog.pg_collation AS l ON l.oid = a.attcollation AND l.oid >= 16384
            UNION ALL
            SELECT concat_ws(' ', 'type', t.oid, t.xmin) FROM types JOIN pg_catalog.pg_type AS t ON t.oid = types.id
            UNION ALL
            SELECT concat_ws(' ', 'label', e.oid, e.xmin) FROM types JOIN pg_catalog.pg_enum AS e ON e.enumtypid = types.id
            UNION ALL
            SELECT concat_ws(' ', 'attribute', a.attrelid, a.attnum, a.xmin)
            FROM types
            JOIN pg_catalog.pg_type AS t ON t.oid = types.id
            JOIN pg_catalog.pg_attribute AS a ON a.attrelid = t.typrelid AND a.attnum > 0
            UNION ALL
            SELECT concat_ws(' ', 'key', i.indexrelid, i.indisvalid, i.indimmediate, i.indpred IS NULL)
            FROM freshlist.tables() AS d
            JOIN freshlist.columns() AS c ON c."table" = d.number AND c.number = d.key
            JOIN pg_catalog.pg_index AS i ON i.indrelid = d.id
            WHERE i.indkey[0] = c.attribute AND i.indnkeyatts = 1 AND i.indisunique
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
            SELECT concat_ws(' ', 'subscription', s.srsubid, s.srrelid)
            FROM watched AS w JOIN pg_catalog.pg_subscription_rel AS s ON s.srrelid = w.oid
            UNION ALL
            SELECT concat_ws(' ', 'function', p.oid, p.xmin)
            FROM own JOIN pg_catalog.pg_proc AS p ON p.pronamespace = own.oid
            WHERE p.proname = ANY ({{.Functions}})
            UNION ALL
            SELECT concat_ws(' ', 'relation', c.oid, CASE WHEN c.relkind <> 'i' THEN c.xmin END)
            FROM own JOIN pg_catalog.pg_class AS c ON c.relnamespace = own.oid
            WHERE c.relname = ANY ({{.Relations}}) AND c.relkind IN ('r', 'v', 'i')
        ) AS state (line)
    );
END
$function$;

REVOKE ALL ON FUNCTION freshlist.catalog() FROM PUBLIC;

-- What the installed objects are defined as, all in one hash. An installation keeps it in the
-- schema's comment, behind the hash of the files that it was made from.
CREATE OR REPLACE FUNCTION freshlist.definitions() RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
SELECT pg_catalog.md5(pg_catalog.string_agg(definition, E'\n' ORDER BY definition COLLATE "C"))
FROM (
    SELECT concat_ws(' ', pg_catalog.pg_get_functiondef(p.oid), pg_catalog.pg_get_userbyid(p.proowner))
    FROM pg_catalog.pg_proc AS p
    WHERE p.pronamespace = 'freshlist'::regnamespace AND p.proname = ANY ({{.Functions}})
    UNION ALL
    SELECT pg_catalog.pg_get_triggerdef(t.oid)
    FROM freshlist.tables() AS d JOIN pg_catalog.pg_trigger AS t ON t.tgrelid = d.id
    WHERE t.tgname LIKE 'freshlist\_%'
    UNION ALL
    SELECT concat_ws(' ', c.relname, c.relkind, c.relpersistence, a.attnum, a.attname, a.atttypid::regtype, a.attnotnull)
    FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0
    WHERE c.relnamespace = 'freshlist'::regnamespace AND c.relkind IN ('r', 'c') AND c.relname = ANY ({{.Relations}})
    UNION ALL
    SELECT pg_catalog.pg_get_indexdef(i.indexrelid)
    FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_index AS i ON i.indrelid = c.oid
    WHERE c.relnamespace = 'freshlist'::regnamespace AND c.relname = ANY ({{.Relations}})
    UNION ALL
    SELECT pg_catalog.pg_get_viewdef(c.oid)
    FROM pg_catalog.pg_class AS c
    WHERE c.relnamespace = 'freshlist'::regnamespace AND c.relkind = 'v' AND c.relname = ANY ({{.Relations}})
) AS installed (definition)
$function$;

REVOKE ALL ON FUNCTION freshlist.definitions() FROM PUBLIC;

-- What is wrong with capture, '' if nothing is. While there is a fault nothing may be cached.
-- (Row security is no fault: whoever reads rows in order to cache them looks whether he is
-- subject to it. Rules and other triggers are none either: whatever they do to a table in
-- the end fires its triggers.)
CREATE OR REPLACE FUNCTION freshlist.fault() RETURNS text
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    installed constant text := obj_description('freshlist'::regnamespace, 'pg_namespace');
    fault text;
BEGIN
    SELECT string_agg(judged.fault, '; ' ORDER BY d.number) INTO fault
    FROM freshlist.tables() AS d
    LEFT JOIN pg_catalog.pg_class AS c ON c.oid = d.id
    CROSS JOIN LATERAL (SELECT CASE
        WHEN c.oid IS NULL THEN
            'there is no table ' || d.spelled
        WHEN c.relkind <> 'r' OR c.relispartition OR c.relpersistence = 't' THEN
            d.spelled || ' is not an ordinary table'
        WHEN EXISTS (SELECT FROM pg_catalog.pg_inherits WHERE c.oid IN (inhrelid, inhparent)) THEN
            d.spelled || ' inherits or is inherited: edits of the other table fire no trigger of this one'
        WHEN EXISTS (SELECT FROM pg_catalog.pg_subscription_rel WHERE srrelid = c.oid) THEN
            d.spelled || ' is fed by logical replication, which fires no statement triggers'
    END) AS judged (fault);
    IF fault IS NOT NULL THEN
        RETURN fault;
    END IF;
    fault := freshlist.misfits();
    IF EXISTS (SELECT FROM unnest({{.Guards}}) AS guard WHERE pg_catalog.to_regclass(guard) IS NULL) THEN
        RETURN concat_ws('; ', 'a used column, or a table of freshlist, was dropped with CASCADE', nullif(fault, ''));
    END IF;
    IF fault <> '' THEN
        RETURN fault || '; to use what is there now, run "invalidator install" with the description';
    END IF;
    SELECT string_agg(
        format(CASE WHEN t.oid IS NULL THEN 'trigger freshlist_%s is missing on %s'
                    ELSE 'trigger freshlist_%s is not ENABLE ALWAYS on %s' END, event, d.spelled), '; ' ORDER BY d.number, place)
    INTO fault
    FROM freshlist.tables() AS d
    CROSS JOIN unnest(ARRAY['insert', 'update', 'delete', 'truncate']) WITH ORDINALITY AS events (event, place)
    LEFT JOIN pg_catalog.pg_trigger AS t ON t.tgrelid = d.id AND t.tgname = 'freshlist_' || event
    WHERE t.tgenabled IS DISTINCT FROM 'A';
    IF fault IS NOT NULL THEN
        RETURN fault;
    END IF;
    SELECT string_agg(format('%I of %s', c.name, d.spelled), ', ' ORDER BY d.number, c.number) INTO fault
    FROM freshlist.columns() AS c
    JOIN freshlist.tables() AS d ON d.number = c."table"
    LEFT JOIN pg_catalog.pg_attribute AS a ON a.attrelid = d.id AND a.attname = c.name AND a.attnum > 0 AND NOT a.attisdropped
    WHERE a.attnum IS DISTINCT FROM c.attribute;
    IF fault IS NOT NULL THEN
        RETURN 'columns were renamed, and by these names capture knows others: ' || fault;
    END IF;
    IF EXISTS (
        SELECT FROM pg_catalog.pg_class AS c
        WHERE c.relnamespace = 'freshlist'::regnamespace AND c.relname = ANY ({{.Relations}}) AND c.relkind = 'r'
            AND (
                c.relrowsecurity OR c.relhastriggers OR c.relhasrules
                OR c.oid IN (SELECT inhrelid FROM pg_catalog.pg_inherits UNION ALL SELECT inhparent FROM pg_catalog.pg_inherits)
            )
    ) THEN
        RETURN 'a table of freshlist has, or had, triggers, rules, row security or relatives, which may have taken changes away';
    END IF;
    IF EXISTS (
        SELECT FROM pg_catalog.pg_proc
        WHERE pronamespace = 'freshlist'::regnamespace AND proname = ANY ({{.Functions}})
            AND has_function_privilege('public', oid, 'EXECUTE')
    ) THEN
        RETURN 'PUBLIC may execute a function of freshlist, and so forge changes';
    END IF;
    IF split_part(installed, ' ', 2) IS DISTINCT FROM freshlist.definitions() THEN
        RETURN 'functions, triggers or tables of freshlist are not as they were installed';
    END IF;
    RETURN '';
END
$function$;

REVOKE ALL ON FUNCTION freshlist.fault() FROM PUBLIC;
