-- The statement by which a capture function writes one envelope instead of very many rows.
-- It is returned as text, since only the trigger's own function sees the transition tables
-- that source reads: SELECT * FROM new_rows, for example.
--
-- Rows are grouped by their texts first, so that one scan serves the sets and the ranges.

CREATE OR REPLACE FUNCTION {{.Own "bulk"}}(source text) RETURNS text
LANGUAGE sql IMMUTABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
SELECT pg_catalog.format($statement$
INSERT INTO {{.Own "changes"}} (xid, old_row, new_row, sets)
SELECT
    pg_catalog.pg_current_xact_id(),
    ROW({{range $i, $c := .Image}}{{if $i}}, {{end}}{{if .Bounded}}min(min_{{.Number}}){{else}}NULL{{end}}{{end}})::{{.Own "row"}},
    ROW({{range $i, $c := .Image}}{{if $i}}, {{end}}{{if .Bounded}}max(max_{{.Number}}){{else}}NULL{{end}}{{end}})::{{.Own "row"}},
    ROW(
        -- A larger set bounds next to nothing. Of the key there are as many values as rows.
{{- range .Sets}}
{{- if .Key}}
        NULL,
{{- else}}
        CASE WHEN count(DISTINCT set_{{.Number}}) <= 1000
             THEN coalesce(array_agg(DISTINCT set_{{.Number}}) FILTER (WHERE set_{{.Number}} IS NOT NULL), '{}') END,
{{- end}}{{end}}
        0::bigint
{{- range .Image}}{{if not .NotNull}}
            | (bool_or(null_{{.Number}})::integer::bigint << {{.Number}})
{{- end}}{{end}}
    )::{{.Own "sets"}}
FROM (
    SELECT
{{- range .Grouped}}
        c{{.Number}}::text AS set_{{.Number}},
{{- end}}
{{- range .Image}}{{if .Bounded}}
        min(c{{.Number}}) AS min_{{.Number}}, max(c{{.Number}}) AS max_{{.Number}},
{{- end}}{{end}}
{{- range .Image}}{{if not .NotNull}}
        count(*) > count(c{{.Number}}) AS null_{{.Number}},
{{- end}}{{end}}
        count(*) AS rows
    FROM (SELECT ({{.Own "image"}}(r.*)).* FROM (%s) AS r)
        AS image ({{range $i, $c := .Image}}{{if $i}}, {{end}}c{{.Number}}{{end}})
    GROUP BY {{range $i, $c := .Grouped}}{{if $i}}, {{end}}c{{.Number}}{{else}}(){{end}}
) AS texts
$statement$, source)
$function$;

REVOKE ALL ON FUNCTION {{.Own "bulk"}}(text) FROM PUBLIC;
