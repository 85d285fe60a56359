-- What committed statements did to the table {{.Name}}, until the invalidator has dealt with it.
--
-- UNLOGGED on purpose: it costs writers no WAL, and whatever can lose a committed change
-- (crash, failover, restore) empties it together with the marker beside it, which is how
-- the loss is noticed.
--
-- Values travel in composites, one column for a row: a statement's plan is set up anew on
-- each execution, and every column of every node in it costs the writer time. (Thirty
-- columns of their own cost a one-row UPDATE some 6 us more.) They are typed and exact,
-- and (new_row).price reads well.

-- A row's values: see listing.Table.Image.
CREATE TYPE {{.Own "row"}} AS (
{{- range $i, $c := .Image}}{{if $i}},{{end}}
    {{.Name}} {{.Plain}}
{{- end}}
);

-- What an envelope of very many rows says besides the least and the greatest values: which
-- values occur in the columns that have no least (NULL: too many to say), and a bit for each
-- column in which some row was NULL.
CREATE TYPE {{.Own "sets"}} AS (
{{- range .Sets}}
    {{.Name}} text[],
{{- end}}
    "null columns" bigint
);

CREATE UNLOGGED TABLE {{.Own "changes"}} (
    xid     xid8 NOT NULL,
    old_row {{.Own "row"}},
    new_row {{.Own "row"}},
    changed bigint,
    sets    {{.Own "sets"}}
)
-- Rows come and go. Vacuum follows their number, not a share of the table, and never
-- cuts the file: that would stop all writers for its while.
WITH (
    autovacuum_vacuum_threshold = 10000,
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_insert_threshold = -1,
    autovacuum_vacuum_cost_delay = 0,
    autovacuum_analyze_threshold = 1000000,
    vacuum_truncate = false
);

COMMENT ON TABLE {{.Own "changes"}} IS
    'changes of {{.Name}} that the invalidator has not dealt with; a row without any values says that '
    'anything may have changed';
COMMENT ON COLUMN {{.Own "changes"}}.xid IS
    'the writing transaction: rows are found by what one snapshot shows and an earlier one did not';
COMMENT ON COLUMN {{.Own "changes"}}.old_row IS 'a row before UPDATE or DELETE; of an envelope the least values';
COMMENT ON COLUMN {{.Own "changes"}}.new_row IS 'a row after UPDATE or INSERT; of an envelope the greatest values';
COMMENT ON COLUMN {{.Own "changes"}}.changed IS
    'of an UPDATE: a bit for each used column that is not in the rows and differs, numbered as in the description from 0';
COMMENT ON COLUMN {{.Own "changes"}}.sets IS
    'not NULL: an envelope, the bounds of all rows, old and new, of one bulk statement';

CREATE INDEX {{.Index}} ON {{.Own "changes"}} (xid);
COMMENT ON INDEX freshlist.{{.Index}} IS 'the only way by which changes are read and deleted';
