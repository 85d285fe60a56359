-- What capture takes from a row of the table {{.Name}}. As functions whose bodies PostgreSQL
-- has parsed they hold on to columns and not to names: no renaming, no new column and no
-- dropped one makes them read another. They are inlined, and cost nothing when they run:
-- therefore they have no search_path of their own, and need none.

CREATE FUNCTION {{.Own "key"}}(r {{.Relation}}) RETURNS {{.Key.Plain}}
LANGUAGE sql IMMUTABLE
BEGIN ATOMIC
    SELECT r.{{.Key.Name}};
END;

REVOKE ALL ON FUNCTION {{.Own "key"}}({{.Relation}}) FROM PUBLIC;

CREATE FUNCTION {{.Own "image"}}(r {{.Relation}}) RETURNS {{.Own "row"}}
LANGUAGE sql IMMUTABLE
BEGIN ATOMIC
    SELECT ROW({{range $i, $c := .Image}}{{if $i}}, {{end}}r.{{.Name}}{{end}})::{{.Own "row"}};
END;

REVOKE ALL ON FUNCTION {{.Own "image"}}({{.Relation}}) FROM PUBLIC;
{{- range .Masked}}

CREATE FUNCTION {{.Function}}(r {{$.Relation}}) RETURNS {{.Kept}}
LANGUAGE sql IMMUTABLE
BEGIN ATOMIC
    SELECT r.{{.Name}};
END;

REVOKE ALL ON FUNCTION {{.Function}}({{$.Relation}}) FROM PUBLIC;
{{- end}}
