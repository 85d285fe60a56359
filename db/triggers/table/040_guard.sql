-- What the capture of the table {{.Name}} rests on, in one view that nobody reads.
--
-- Because the view depends on them, PostgreSQL itself refuses to drop or retype a used
-- column, to drop an attribute of a captured row, or to drop the table of changes. To do so
-- all the same: uninstall capture, alter, install again. With CASCADE the view goes too; the
-- capture functions look for it before they touch anything, so that no writer sees an error
-- of theirs. (What does fail writers: to rename or loosen the functions of this schema, to
-- rename a column of the table of changes or to add an attribute to its types. To write
-- through this view would mend that; but of a rule on a view that comes and goes, and takes
-- changes away, PostgreSQL keeps no trace.)

CREATE VIEW {{.Own "guard"}} AS
SELECT c.xid, c.old_row, c.new_row, c.changed, c.sets
FROM {{.Own "changes"}} AS c
WHERE false AND (
    ROW((c.old_row).*) IS NULL
    OR ROW((c.sets).*) IS NULL
    OR {{.Own "key"}}(NULL) IS NULL
    OR {{.Own "image"}}(NULL) IS NULL
{{- range .Masked}}
    OR {{.Function}}(NULL) IS NULL
{{- end}}
    OR EXISTS (
        SELECT FROM {{.Relation}} AS p
        WHERE ROW({{range $i, $c := .Columns}}{{if $i}}, {{end}}p.{{.Name}}{{end}}) IS NULL
    )
);

COMMENT ON VIEW {{.Own "guard"}} IS
    'keeps used columns from being dropped or retyped; to do so, run "invalidator uninstall" before and "invalidator install" after';
