-- The described tables, and what the description knows of their columns. Programs compare,
-- order and write values by it. So an installation refuses what does not fit, and a running
-- invalidator stops caching when something ceases to fit.
--
-- The bodies of the first two functions are parsed when they are made, and inlined where they
-- are called: therefore they have no search_path of their own, and need none.

CREATE OR REPLACE FUNCTION freshlist.tables()
RETURNS TABLE (number integer, schema name, name name, key integer, changes text, spelled text, id oid)
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT t.number, t.schema, t.name, t.key, t.changes, format('%I.%I', t.schema, t.name), c.oid
    FROM (VALUES
{{- range $i, $t := .Tables}}{{if $i}},{{end}}
        ({{.Number}}, {{literal .Schema}}::name, {{literal .Name}}::name, {{.Key}}, {{literal .Changes}})
{{- end}}
    ) AS t (number, schema, name, key, changes)
    LEFT JOIN pg_catalog.pg_namespace AS n ON n.nspname = t.schema
    LEFT JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relname = t.name;
END;

REVOKE ALL ON FUNCTION freshlist.tables() FROM PUBLIC;

-- The used columns, numbered as in programs. Of what is no text, loose and bytewise are NULL; of
-- what is no enum, labels are.
CREATE OR REPLACE FUNCTION freshlist.columns()
RETURNS TABLE (
    "table" integer, number integer, attribute smallint, name name, type text, required boolean, stored boolean,
    loose boolean, bytewise boolean, labels text[]
)
LANGUAGE sql IMMUTABLE
BEGIN ATOMIC
    SELECT c."table", c.number, c.attribute, c.name, c.type, c.required, c.stored, c.loose, c.bytewise, c.labels
    FROM (VALUES
{{- range $i, $c := .Columns}}{{if $i}},{{end}}
        ({{.Table}}, {{.Number}}, {{.Attribute}}::smallint, {{literal .Name}}::name, {{literal .Type}}, {{.NotNull}}, {{.Generated}}, {{.Loose}}, {{.Bytewise}}, {{.Labels}})
{{- end}}
    ) AS c ("table", number, attribute, name, type, required, stored, loose, bytewise, labels);
END;

REVOKE ALL ON FUNCTION freshlist.columns() FROM PUBLIC;

-- The type that a domain is based on or an array consists of, through any number of them.
CREATE OR REPLACE FUNCTION freshlist.innermost(type oid) RETURNS oid
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    behind oid;
BEGIN
    LOOP
        SELECT CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE e.oid END INTO behind
        FROM pg_catalog.pg_type AS t
        LEFT JOIN pg_catalog.pg_type AS e ON e.oid = t.typelem AND e.typarray = t.oid
        WHERE t.oid = type;
        IF behind IS NULL THEN
            RETURN type;
        END IF;
        type := behind;
    END LOOP;
END
$function$;

REVOKE ALL ON FUNCTION freshlist.innermost(oid) FROM PUBLIC;

-- All that is not as it was described, '' if nothing.
CREATE OR REPLACE FUNCTION freshlist.misfits() RETURNS text
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    encoding constant text := pg_catalog.getdatabaseencoding();
    misfits text[];
BEGIN
    SELECT array_agg(format('column %I of %s %s', c.name, t.spelled, misfit) ORDER BY t.number, c.number) INTO misfits
    FROM freshlist.columns() AS c
    JOIN freshlist.tables() AS t ON t.number = c."table"
    JOIN pg_catalog.pg_database AS b ON b.datname = pg_catalog.current_database()
    LEFT JOIN pg_catalog.pg_attribute AS a ON a.attrelid = t.id AND a.attname = c.name AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pg_catalog.pg_collation AS l ON l.oid = a.attcollation
    CROSS JOIN LATERAL (
        SELECT
            a.attgenerated = 's',
            CASE WHEN l.collprovider = 'd'
                 THEN b.datlocprovider = 'b' OR b.datlocprovider = 'c' AND b.datcollate IN ('C', 'POSIX')
                 ELSE l.collprovider = 'b' OR l.collprovider = 'c' AND l.collcollate IN ('C', 'POSIX') END,
            CASE WHEN c.labels IS NOT NULL
                 THEN ARRAY(SELECT e.enumlabel::text FROM pg_catalog.pg_enum AS e
                            WHERE e.enumtypid = freshlist.innermost(a.atttypid) ORDER BY e.enumsortorder) END
    ) AS present (stored, bytewise, labels)
    CROSS JOIN LATERAL (VALUES
        (a.attnum IS NULL, 'is missing (dropped or renamed)'),
        (format_type(a.atttypid, a.atttypmod) <> c.type, 'is ' || format_type(a.atttypid, a.atttypmod) || ', not ' || c.type),
        (NOT c.loose AND NOT l.collisdeterministic, 'takes different texts for equal by its collation ' || quote_ident(l.collname)),
        (c.bytewise <> present.bytewise, CASE WHEN c.bytewise THEN 'is not' ELSE 'is' END || ' ordered by its bytes'),
        (c.required AND NOT a.attnotnull, 'may be NULL'),
        (c.stored <> present.stored, CASE WHEN c.stored THEN 'is not' ELSE 'is' END || ' a generated column'),
        (a.attgenerated NOT IN ('', 's'), 'is computed whenever it is read'),
        (c.labels <> present.labels, 'has other labels, or has them in another order')
    ) AS judged (misfit_found, misfit)
    WHERE misfit_found;

    SELECT misfits || array_agg(format('no unique index tells the rows of %s apart by %I', t.spelled, c.name) ORDER BY t.number) INTO misfits
    FROM freshlist.tables() AS t
    JOIN freshlist.columns() AS c ON c."table" = t.number AND c.number = t.key
    WHERE t.id IS NOT NULL AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_index AS i
        JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
        WHERE i.indrelid = t.id AND a.attname = c.name AND i.indnkeyatts = 1
            AND i.indisunique AND i.indisvalid AND i.indimmediate AND i.indpred IS NULL
    );

    IF encoding <> 'UTF8' THEN
        misfits := format('the encoding of database %I is %s, not UTF8: move it into one made by CREATE DATABASE ... ENCODING ''UTF8''',
            pg_catalog.current_database(), encoding) || misfits;
    END IF;
    RETURN coalesce(array_to_string(misfits, '; '), '');
END
$function$;

REVOKE ALL ON FUNCTION freshlist.misfits() FROM PUBLIC;

DO $do$
BEGIN
    IF freshlist.misfits() <> '' THEN
        RAISE EXCEPTION '%', freshlist.misfits() USING ERRCODE = 'FL001';
    END IF;
END
$do$;
