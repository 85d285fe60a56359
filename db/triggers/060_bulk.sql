-- The statement by which a capture function writes one envelope instead of very many rows.
-- It is returned as text, since only the trigger's own function sees the transition tables
-- that source reads: SELECT * FROM new_rows, for example.
--
-- Rows are grouped by their texts first, so that one scan serves the sets and the ranges.

CREATE OR REPLACE FUNCTION freshlist.properties_bulk(source text) RETURNS text
LANGUAGE sql IMMUTABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
SELECT pg_catalog.format($statement$
INSERT INTO freshlist.properties_changes (xid, old_row, new_row, sets)
SELECT
    pg_catalog.pg_current_xact_id(),
    ROW({{range $i, $c := .Image}}{{if $i}}, {{end}}{{if .Bounds}}min({{.Name.With "min_"}}){{else}}NULL{{end}}{{end}})::freshlist.property,
    ROW({{range $i, $c := .Image}}{{if $i}}, {{end}}{{if .Bounds}}max({{.Name.With "max_"}}){{else}}NULL{{end}}{{end}})::freshlist.property,
    ROW(
        -- A larger set bounds next to nothing.
{{- range .Sets}}
        CASE WHEN count(DISTINCT {{.Name}}) <= 1000
             THEN coalesce(array_agg(DISTINCT {{.Name}}) FILTER (WHERE {{.Name}} IS NOT NULL), '{}') END,
{{- end}}
        0
{{- range $i, $c := .Columns}}{{if not .NotNull}}
            | (bool_or({{.Name.With "null_"}})::integer << {{$i}})
{{- end}}{{end}}
    )::freshlist.property_sets
FROM (
    SELECT
{{- range .Sets}}
        {{.Name}},
{{- end}}
{{- range .Image}}{{if .Bounds}}
        min({{.Name}}) AS {{.Name.With "min_"}}, max({{.Name}}) AS {{.Name.With "max_"}},
{{- end}}{{end}}
{{- range .Columns}}{{if not .NotNull}}
        count(*) > count({{.Name}}) AS {{.Name.With "null_"}},
{{- end}}{{end}}
        count(*) AS rows
    FROM (SELECT (freshlist.properties_image(r.*)).* FROM (%s) AS r)
        AS image ({{range $i, $c := .Image}}{{if $i}}, {{end}}{{.Name}}{{end}})
    GROUP BY {{range $i, $c := .Sets}}{{if $i}}, {{end}}{{.Name}}{{end}}
) AS texts
$statement$, source)
$function$;

REVOKE ALL ON FUNCTION freshlist.properties_bulk(text) FROM PUBLIC;
