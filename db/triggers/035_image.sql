-- What capture takes from a row of public.properties. As functions whose bodies PostgreSQL
-- has parsed they hold on to columns and not to names: no renaming, no new column and no
-- dropped one makes them read another. They are inlined, and cost nothing when they run:
-- therefore they have no search_path of their own, and need none.

CREATE FUNCTION freshlist.properties_id(r public.properties) RETURNS bigint
LANGUAGE sql IMMUTABLE
BEGIN ATOMIC
    SELECT r.id;
END;

REVOKE ALL ON FUNCTION freshlist.properties_id(public.properties) FROM PUBLIC;

CREATE FUNCTION freshlist.properties_description(r public.properties) RETURNS text
LANGUAGE sql IMMUTABLE
BEGIN ATOMIC
    SELECT r.description;
END;

REVOKE ALL ON FUNCTION freshlist.properties_description(public.properties) FROM PUBLIC;

CREATE FUNCTION freshlist.properties_image(r public.properties) RETURNS freshlist.property
LANGUAGE sql IMMUTABLE
BEGIN ATOMIC
    SELECT ROW({{range $i, $c := .Image}}{{if $i}}, {{end}}r.{{.Name}}{{end}})::freshlist.property;
END;

REVOKE ALL ON FUNCTION freshlist.properties_image(public.properties) FROM PUBLIC;
