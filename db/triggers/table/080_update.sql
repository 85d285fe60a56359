-- Captures UPDATE, and the updating halves of MERGE and ON CONFLICT.
--
-- This is the path that writers feel, and most statements touch one row: that case comes
-- first and is one short plan. (Rows are spelled r.*, since r alone would be a column, if
-- somebody added one of that name.)

{{- define "values" -}}
{{.Own "image"}}(r.*) AS image
{{- range .Masked}}, {{.Function}}(r.*) AS masked_{{.Number}}{{end}}
{{- end}}

{{- define "differ" -}}
o.image *<> n.image
{{- range .Masked}} OR {{template "differs" .}}{{end}}
{{- end}}

{{- define "differs" -}}
{{if .Text}}o.masked_{{.Number}} COLLATE "C" IS DISTINCT FROM n.masked_{{.Number}}
{{- else}}ROW(o.masked_{{.Number}})::record *<> ROW(n.masked_{{.Number}})::record{{end}}
{{- end}}

{{- define "changed" -}}
{{range $i, $c := .Masked}}{{if $i}} | {{end}}CASE WHEN {{template "differs" .}} THEN 1::bigint << {{.Number}} ELSE 0 END
{{- else}}0
{{- end}}
{{- end}}

CREATE OR REPLACE FUNCTION {{.Own "update"}}() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    captured bigint;
BEGIN
    -- Somebody took away, with CASCADE or by renaming it, what capture rests on. No error may reach the
    -- writer, and none needs to: the invalidator sees it in the catalog and stops caching.
    IF pg_catalog.to_regclass({{literal (.Own "guard")}}) IS NULL
        OR pg_catalog.to_regclass({{literal (.Own "changes")}}) IS NULL
    THEN
        BEGIN
            PERFORM {{.Own "whole_table"}}();
        EXCEPTION WHEN OTHERS THEN
            NULL;
        END;
        RETURN NULL;
    END IF;

    -- One row. The tests for more and for room stand inside a CASE with a column of the row,
    -- which makes them a filter of the scan and no more nodes in the plan. Images are compared
    -- by their bytes, and so is what is not in them, texts under the collation "C": what shows
    -- a difference is a difference.
    INSERT INTO {{.Own "changes"}} (xid, old_row, new_row, changed)
    SELECT pg_catalog.pg_current_xact_id(), o.image, n.image, {{template "changed" .}}
    FROM (
        SELECT {{template "values" .}}
        FROM old_rows AS r
        WHERE CASE
            WHEN EXISTS (SELECT FROM new_rows OFFSET 1) THEN false
            WHEN pg_catalog.pg_stat_get_live_tuples({{literal (.Own "changes")}}::pg_catalog.regclass) > 4000000 THEN false
            ELSE {{.Own "key"}}(r.*) IS NOT NULL
        END
        OFFSET 0
    ) AS o
    CROSS JOIN (
        SELECT {{template "values" .}}
        FROM new_rows AS r
        OFFSET 0
    ) AS n
    WHERE {{template "differ" .}};

    GET DIAGNOSTICS captured = ROW_COUNT;

    -- As a rule that is all: one row, and nobody who has to be woken (see below). Each
    -- expression is set up anew in each transaction, for up to a microsecond, so here is one;
    -- NEW, which is NULL in a trigger of statements, is none.
    IF captured > 0 AND pg_catalog.pg_try_advisory_xact_lock_shared(7382074285561244019) THEN
        RETURN NEW;
    END IF;

    -- (The outer condition stands alone, since one with a query in it would cost a plan.)
    IF captured = 0 THEN
        -- Nobody has been reading for long. Keep growth slow, but leave a row: the last one
        -- may be consumed before this transaction commits. (Live rows as the statistics know
        -- them: a look at the size of the file would cost 4 us each time.)
        IF pg_catalog.pg_stat_get_live_tuples({{literal (.Own "changes")}}::pg_catalog.regclass) > 4000000 THEN
            PERFORM {{.Own "whole_table"}}();
            RETURN NULL;
        END IF;

        IF EXISTS (SELECT FROM new_rows OFFSET 10000) THEN
            -- Very many rows: one envelope, unless nothing changed. As a rule the first rows
            -- tell, since both tables are in the same order.
            IF EXISTS (
                SELECT
                FROM (
                    SELECT {{.Own "key"}}(r.*) AS id, {{template "values" .}}
                    FROM (SELECT * FROM old_rows LIMIT 100) AS r
                ) AS o
                FULL JOIN (
                    SELECT {{.Own "key"}}(r.*) AS id, {{template "values" .}}
                    FROM (SELECT * FROM new_rows LIMIT 100) AS r
                ) AS n ON n.id = o.id
                WHERE o.id IS NULL OR n.id IS NULL
                    OR {{template "differ" .}}
            ) OR EXISTS (
                SELECT
                FROM (
                    SELECT {{.Own "key"}}(r.*) AS id, {{template "values" .}}
                    FROM old_rows AS r
                ) AS o
                FULL JOIN (
                    SELECT {{.Own "key"}}(r.*) AS id, {{template "values" .}}
                    FROM new_rows AS r
                ) AS n ON n.id = o.id
                WHERE o.id IS NULL OR n.id IS NULL
                    OR {{template "differ" .}}
            ) THEN
                EXECUTE {{.Own "bulk"}}('SELECT * FROM old_rows UNION ALL SELECT * FROM new_rows');
                captured := 1;
            END IF;
        ELSIF EXISTS (SELECT FROM new_rows) THEN
            -- Several rows, old and new paired by key. A changed key is a row that went and
            -- a row that came. One row too, since the statistics may find room now where
            -- they found none before.
            INSERT INTO {{.Own "changes"}} (xid, old_row, new_row, changed)
            SELECT
                pg_catalog.pg_current_xact_id(), o.image, n.image, {{template "changed" .}}
            FROM (
                SELECT {{.Own "key"}}(r.*) AS id, {{template "values" .}}
                FROM old_rows AS r
            ) AS o
            FULL JOIN (
                SELECT {{.Own "key"}}(r.*) AS id, {{template "values" .}}
                FROM new_rows AS r
            ) AS n ON n.id = o.id
            WHERE o.id IS NULL OR n.id IS NULL
                OR {{template "differ" .}};

            GET DIAGNOSTICS captured = ROW_COUNT;
        END IF;
    END IF;

    -- The doorbell. The invalidator holds this lock exclusively while it sleeps, and is
    -- granted it only when no transaction holds it shared; so whoever gets it here need not
    -- ring, and whoever does not get it must. Nobody rings where nobody sleeps: the
    -- notification queue cannot fill. Who may not ring tries the lock all the same, and is
    -- waited for if he gets it.
    IF captured > 0
        AND NOT pg_catalog.pg_try_advisory_xact_lock_shared(7382074285561244019) AND freshlist.may_ring()
    THEN
        PERFORM pg_catalog.pg_notify('freshlist', '');
    END IF;
    RETURN NULL;
END
$function$;

REVOKE ALL ON FUNCTION {{.Own "update"}}() FROM PUBLIC;

CREATE OR REPLACE TRIGGER freshlist_update AFTER UPDATE ON {{.Relation}}
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION {{.Own "update"}}();

ALTER TABLE {{.Relation}} ENABLE ALWAYS TRIGGER freshlist_update;
