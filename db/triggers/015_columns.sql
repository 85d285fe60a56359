-- What capture expects of public.properties. Installation refuses what does not fit, since
-- nobody's writer may fail by it later; a running invalidator stops caching.

-- The watched columns, numbered as in the programs.
CREATE OR REPLACE FUNCTION freshlist.properties_columns()
RETURNS TABLE (number integer, name name, type text, required boolean)
LANGUAGE sql IMMUTABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
VALUES
{{- range $i, $c := .Columns}}{{if $i}},{{end}}
    ({{$i}}, {{.Name.Literal}}::name, {{literal .Type}}, {{.NotNull}})
{{- end}}
$function$;

REVOKE ALL ON FUNCTION freshlist.properties_columns() FROM PUBLIC;

-- At which position of the table each watched column stands now.
CREATE OR REPLACE FUNCTION freshlist.properties_positions() RETURNS smallint[]
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
SELECT array_agg(a.attnum ORDER BY c.number)
FROM freshlist.properties_columns() AS c
LEFT JOIN pg_catalog.pg_attribute AS a
    ON a.attrelid = pg_catalog.to_regclass('public.properties') AND a.attname = c.name AND a.attnum > 0 AND NOT a.attisdropped
$function$;

REVOKE ALL ON FUNCTION freshlist.properties_positions() FROM PUBLIC;

-- All that does not fit, each with its remedy, '' if nothing. The programs compare and order
-- values as PostgreSQL does for these very types, and texts by their bytes.
CREATE OR REPLACE FUNCTION freshlist.properties_misfits() RETURNS text
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    watched constant oid := pg_catalog.to_regclass('public.properties');
    encoding constant text := pg_catalog.getdatabaseencoding();
    misfits text[];
BEGIN
    SELECT array_agg(format('column %I %s', c.name, misfit) ORDER BY c.number) INTO misfits
    FROM freshlist.properties_columns() AS c
    LEFT JOIN pg_catalog.pg_attribute AS a
        ON a.attrelid = watched AND a.attname = c.name AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pg_catalog.pg_collation AS l ON l.oid = a.attcollation
    CROSS JOIN LATERAL (VALUES
        (a.attnum IS NULL,
            'is missing (dropped or renamed): ALTER TABLE public.properties ADD ' || quote_ident(c.name) || ' ' || c.type),
        (format_type(a.atttypid, a.atttypmod) <> c.type,
            'is ' || format_type(a.atttypid, a.atttypmod) || ', not ' || c.type
            || ': ALTER TABLE public.properties ALTER ' || quote_ident(c.name) || ' TYPE ' || c.type),
        (NOT l.collisdeterministic,
            'takes different texts for equal by its collation ' || quote_ident(l.collname)
            || ': ALTER TABLE public.properties ALTER ' || quote_ident(c.name) || ' TYPE ' || c.type || ' COLLATE "default"'),
        (c.required AND NOT a.attnotnull,
            'may be NULL: ALTER TABLE public.properties ALTER ' || quote_ident(c.name) || ' SET NOT NULL'),
        (a.attgenerated NOT IN ('', 's'),
            'is computed whenever it is read: have it STORED')
    ) AS judged (misfit_found, misfit)
    WHERE misfit_found;

    IF encoding <> 'UTF8' THEN
        misfits := format('the encoding of database %I is %s, not UTF8: move it into one made by CREATE DATABASE ... ENCODING ''UTF8''',
            pg_catalog.current_database(), encoding) || misfits;
    END IF;
    IF NOT EXISTS (
        SELECT FROM pg_catalog.pg_index AS i
        JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
        WHERE i.indrelid = watched AND i.indisprimary AND i.indnkeyatts = 1 AND a.attname = 'id'
    ) THEN
        misfits := misfits || ('column id is not the primary key: ALTER TABLE public.properties '
            || coalesce((SELECT format('DROP CONSTRAINT %I, ', c.conname) FROM pg_catalog.pg_constraint AS c
                         WHERE c.conrelid = watched AND c.contype = 'p'), '')
            || 'ADD PRIMARY KEY (id)');
    END IF;
    RETURN coalesce(array_to_string(misfits, '; '), '');
END
$function$;

REVOKE ALL ON FUNCTION freshlist.properties_misfits() FROM PUBLIC;

DO $do$
BEGIN
    IF freshlist.properties_misfits() <> '' THEN
        RAISE EXCEPTION '%', freshlist.properties_misfits() USING ERRCODE = 'FL001';
    END IF;
END
$do$;
