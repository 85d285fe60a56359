-- Whether capture is what it should be. The invalidator asks with every beat for the
-- catalog, in the snapshot of the changes that it reads; another one than before means
-- that changes may have gone by unseen, and then it asks for the fault.

-- A fingerprint of everything that capture rests on: the table (rewritten, altered,
-- renamed into place, partitioned, inherited, fed by logical replication), its triggers and
-- their functions (disabled and enabled again in one transaction leaves tgenabled as it
-- was, but not xmin), the tables of this schema and the keystone.
CREATE OR REPLACE FUNCTION freshlist.properties_catalog() RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
SELECT md5(string_agg(line, E'\n' ORDER BY line))
FROM (
    SELECT concat_ws(' ', 'table', c.oid, c.relname, c.relfilenode, c.relkind, c.relispartition, c.relhassubclass)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE (n.nspname = 'public' AND c.relname = 'properties') OR (n.nspname = 'freshlist' AND c.relkind IN ('r', 'v'))
    UNION ALL
    SELECT concat_ws(' ', 'column', a.attnum, a.attname, a.atttypid, a.atttypmod, a.attisdropped, a.attcollation)
    FROM pg_attribute a
    WHERE a.attrelid = to_regclass('public.properties') AND a.attnum > 0
    UNION ALL
    SELECT concat_ws(' ', 'trigger', t.oid, t.xmin, t.tgname, t.tgenabled)
    FROM pg_trigger t
    WHERE t.tgrelid = to_regclass('public.properties') AND t.tgname LIKE 'freshlist\_%'
    UNION ALL
    SELECT concat_ws(' ', 'function', p.oid, p.xmin)
    FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE n.nspname = 'freshlist'
    UNION ALL
    SELECT concat_ws(' ', 'child or parent', i.inhrelid, i.inhparent)
    FROM pg_inherits i
    WHERE to_regclass('public.properties') IN (i.inhrelid, i.inhparent)
    UNION ALL
    SELECT concat_ws(' ', 'subscription', s.srsubid)
    FROM pg_subscription_rel s
    WHERE s.srrelid = to_regclass('public.properties')
) AS state (line)
$$;

REVOKE ALL ON FUNCTION freshlist.properties_catalog() FROM PUBLIC;

-- What the installed objects are defined as, all in one hash. `invalidator install` keeps
-- it in the schema's comment, behind the hash of the files that it installed from.
CREATE OR REPLACE FUNCTION freshlist.properties_definitions() RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
SELECT md5(string_agg(definition, E'\n' ORDER BY definition))
FROM (
    SELECT pg_get_functiondef(p.oid) || p.proowner
    FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE n.nspname = 'freshlist'
    UNION ALL
    SELECT pg_get_triggerdef(t.oid)
    FROM pg_trigger t
    WHERE t.tgrelid = to_regclass('public.properties') AND t.tgname LIKE 'freshlist\_%'
    UNION ALL
    SELECT concat_ws(' ', c.relname, c.relpersistence, a.attnum, a.attname, a.atttypid::regtype)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid
    WHERE n.nspname = 'freshlist' AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped
) AS installed (definition)
$$;

REVOKE ALL ON FUNCTION freshlist.properties_definitions() FROM PUBLIC;

-- What is wrong with capture, '' if nothing is. While there is a fault nothing may be
-- cached.
CREATE OR REPLACE FUNCTION freshlist.properties_fault() RETURNS text
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    watched constant oid := to_regclass('public.properties');
    found text;
BEGIN
    IF watched IS NULL THEN
        RETURN 'there is no table public.properties';
    END IF;
    SELECT 'public.properties is not an ordinary table' INTO found
    FROM pg_class WHERE oid = watched AND (relkind <> 'r' OR relispartition OR relpersistence = 't');
    IF found IS NULL AND EXISTS (SELECT FROM pg_inherits WHERE watched IN (inhrelid, inhparent)) THEN
        found := 'public.properties inherits or is inherited: edits of the other table fire no trigger of this one';
    END IF;
    IF found IS NULL AND EXISTS (SELECT FROM pg_subscription_rel WHERE srrelid = watched) THEN
        found := 'public.properties is fed by logical replication, which fires no statement triggers';
    END IF;
    IF found IS NULL THEN
        SELECT string_agg(CASE WHEN t.oid IS NULL THEN 'trigger freshlist_' || op || ' is missing'
                               ELSE 'trigger freshlist_' || op || ' is not ENABLE ALWAYS' END, '; ') INTO found
        FROM unnest(ARRAY['insert', 'update', 'delete', 'truncate']) AS op
        LEFT JOIN pg_trigger t ON t.tgrelid = watched AND t.tgname = 'freshlist_' || op
        WHERE t.tgenabled IS DISTINCT FROM 'A';
    END IF;
    IF found IS NULL AND to_regclass('freshlist.properties_keystone') IS NULL THEN
        found := 'a watched column, or a table of freshlist, was dropped with CASCADE';
    END IF;
    IF found IS NULL AND (
        SELECT array_agg(attname::text ORDER BY attnum) FROM pg_attribute
        WHERE attrelid = watched AND attnum BETWEEN 1 AND 15
    ) IS DISTINCT FROM ARRAY['id', 'title', 'description', 'property_type', 'status', 'price', 'city', 'postal_code', 'bedrooms',
        'bathrooms', 'living_area', 'latitude', 'longitude', 'created_at', 'updated_at'] THEN
        found := 'a watched column was renamed or dropped';
    END IF;
    IF found IS NULL AND split_part(obj_description('freshlist'::regnamespace, 'pg_namespace'), ' ', 2)
        IS DISTINCT FROM freshlist.properties_definitions() THEN
        found := 'the functions, triggers or tables of freshlist are not as they were installed';
    END IF;
    RETURN coalesce(found, '');
END
$$;

REVOKE ALL ON FUNCTION freshlist.properties_fault() FROM PUBLIC;
