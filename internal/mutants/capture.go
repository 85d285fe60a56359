package main

import "slices"

// capture are the guards of the SQL that is installed into the database: what captures
// changes, what tells the state of that, and what repairs it.
var capture = slices.Concat([]Mutant{
	// What an UPDATE captures.
	{"capture/row's description not told", []Edit{{triggers + "080_update.sql",
		"    SELECT pg_catalog.pg_current_xact_id(), o.image, n.image, o.description COLLATE \"C\" IS DISTINCT FROM n.description\n",
		"    SELECT pg_catalog.pg_current_xact_id(), o.image, n.image, false\n"}},
		"./internal/invalidate/feed", "Statements/update_what"},
	{"capture/rows' descriptions not told", []Edit{{triggers + "080_update.sql",
		"                pg_catalog.pg_current_xact_id(), o.image, n.image, o.description COLLATE \"C\" IS DISTINCT FROM n.description\n            FROM (",
		"                pg_catalog.pg_current_xact_id(), o.image, n.image, false\n            FROM ("}},
		"./internal/invalidate/feed", "Statements/update_several"},
	{"capture/rows' images compared as numbers", []Edit{{triggers + "080_update.sql",
		"                OR o.image *<> n.image OR o.description COLLATE \"C\" IS DISTINCT FROM n.description;",
		"                OR o.image <> n.image OR o.description COLLATE \"C\" IS DISTINCT FROM n.description;"}},
		"./internal/invalidate/feed", "Statements/update_the_sign"},
	{"capture/bulk's images compared as numbers", []Edit{{triggers + "080_update.sql",
		" *<> n.image OR o.description COLLATE \"C\" IS DISTINCT FROM n.description\n            ) THEN",
		" <> n.image OR o.description COLLATE \"C\" IS DISTINCT FROM n.description\n            ) THEN"}},
		"./internal/invalidate/feed", "BulkThatChangesItsLastRow/longitude"},
	{"capture/several rows taken for one", []Edit{{triggers + "080_update.sql",
		"            WHEN EXISTS (SELECT FROM new_rows OFFSET 1) THEN false\n", ""}},
		"./internal/invalidate/feed", "Statements/update_several"},
	{"capture/row r is a column's", []Edit{{triggers + "080_update.sql",
		"SELECT freshlist.properties_image(r.*) AS image, freshlist.properties_description(r.*) AS description\n        FROM new_rows AS r",
		"SELECT freshlist.properties_image(r) AS image, freshlist.properties_description(r) AS description\n        FROM new_rows AS r"}},
		"./internal/invalidate/feed", "DDL/a_column_added/apart=true"},
	{"capture/rows r are a column's", []Edit{{triggers + "080_update.sql",
		"freshlist.properties_description(r.*) AS description\n                FROM new_rows AS r\n            ) AS n",
		"freshlist.properties_description(r) AS description\n                FROM new_rows AS r\n            ) AS n"}},
		"./internal/invalidate/feed", "DDL/a_column_added/apart=true"},
	{"capture/bulk's first rows r are a column's", []Edit{{triggers + "080_update.sql",
		"freshlist.properties_description(r.*) AS description\n                    FROM (SELECT * FROM new_rows LIMIT 100) AS r",
		"freshlist.properties_description(r) AS description\n                    FROM (SELECT * FROM new_rows LIMIT 100) AS r"}},
		"./internal/invalidate/feed", "DDL/a_column_added/apart=false"},
	{"capture/bulk's rows r are a column's", []Edit{{triggers + "080_update.sql",
		"freshlist.properties_description(r.*) AS description\n                    FROM new_rows AS r",
		"freshlist.properties_description(r) AS description\n                    FROM new_rows AS r"}},
		"./internal/invalidate/feed", "DDL/a_column_added/apart=false"},
	{"capture/inserted r is a column's", []Edit{{triggers + "070_insert.sql", "freshlist.properties_image(r.*)", "freshlist.properties_image(r)"}},
		"./internal/invalidate/feed", "DDL/a_column_added/apart=true"},
	{"capture/deleted r is a column's", []Edit{{triggers + "090_delete.sql", "freshlist.properties_image(r.*)", "freshlist.properties_image(r)"}},
		"./internal/invalidate/feed", "DDL/a_column_added/apart=true"},
	{"capture/truncate fails where the ground is gone", []Edit{{triggers + "100_truncate.sql",
		"EXCEPTION WHEN OTHERS THEN\n    -- The ground is gone: see properties_update.\n    RETURN NULL;\n", ""}},
		"./internal/invalidate/feed", "GroundMoves/the_schema_renamed"},

	// The doorbell.
	{"capture/rings in spite of lock_timeout", []Edit{{triggers + "045_doorbell.sql", "IF pg_catalog.current_setting('lock_timeout') <> '0'\n        OR", "IF"}},
		"./internal/invalidate/feed", "DoorbellWithLockTimeout"},
	{"capture/rings where transactions are prepared", []Edit{{triggers + "045_doorbell.sql", "\n        OR pg_catalog.current_setting('max_prepared_transactions') <> '0'", ""}},
		"./internal/invalidate/feed", "DoorbellPolled"},
	{"capture/rings in spite of a short statement_timeout", []Edit{{triggers + "045_doorbell.sql", "::pg_catalog.interval < '100 ms'", "::pg_catalog.interval < '0 ms'"}},
		"./internal/invalidate/feed", "DoorbellWithStatementTimeout"},
	{"capture/rings while somebody's NOTIFY hangs", []Edit{{triggers + "045_doorbell.sql", "IF NOT EXISTS (", "IF true OR NOT EXISTS ("}},
		"./internal/invalidate", "NoWriterWaitsForAForeignNotify"},
	{"capture/whole table rings though it may not", []Edit{{triggers + "050_whole_table.sql", " AND freshlist.properties_may_ring()", ""}},
		"./internal/invalidate/feed", "DoorbellWithLockTimeout"},
	{"capture/whole table does not try the lock where it may not ring", []Edit{{triggers + "050_whole_table.sql",
		"NOT pg_catalog.pg_try_advisory_xact_lock_shared(7382074285561244019) AND freshlist.properties_may_ring()",
		"freshlist.properties_may_ring() AND NOT pg_catalog.pg_try_advisory_xact_lock_shared(7382074285561244019)"}},
		"./internal/invalidate/feed", "DoorbellWithLockTimeout"},

	// What makes a new fingerprint.
	{"state/row type written", []Edit{{triggers + "120_state.sql", "t.xmin AS type,", "0 AS type,"}},
		"./internal/invalidate/feed", "CatalogComesAndGoes/(renamed|moved)"},
	{"state/schema of the table written", []Edit{{triggers + "120_state.sql", "n.xmin AS schema_written", "0 AS schema_written"}},
		"./internal/invalidate/feed", "CatalogComesAndGoes/public_renamed"},
	{"state/primary key made anew", []Edit{{triggers + "120_state.sql",
		"(SELECT i.indexrelid FROM pg_catalog.pg_index AS i WHERE i.indrelid = c.oid AND i.indisprimary) AS key", "0 AS key"}},
		"./internal/invalidate/feed", "CatalogComesAndGoes/no_key"},
	{"state/own schema written", []Edit{{triggers + "120_state.sql", "concat_ws(' ', 'schema', own.oid, own.xmin)", "concat_ws(' ', 'schema', own.oid)"}},
		"./internal/invalidate/feed", "CatalogComesAndGoes/the_schema_renamed"},
	{"state/column written", []Edit{{triggers + "120_state.sql", "concat_ws(' ', 'column', a.attnum, a.xmin)", "concat_ws(' ', 'column', a.attnum)"}},
		"./internal/invalidate/feed", "CatalogComesAndGoes/NULL_allowed"},
	{"state/fed by a subscription", []Edit{{triggers + "120_state.sql", "pg_catalog.pg_subscription_rel AS s ON s.srrelid = w.oid", "pg_catalog.pg_subscription_rel AS s ON false"}},
		"./internal/invalidate/feed", "FedByASubscription"},

	// What is a fault of capture.
	{"fault/inherited", []Edit{{triggers + "120_state.sql", "WHERE watched IN (inhrelid, inhparent)) THEN", "WHERE watched = inhrelid) THEN"}},
		"./internal/invalidate/feed", "Catalog/inherited"},
	{"fault/inheriting", []Edit{{triggers + "120_state.sql", "WHERE watched IN (inhrelid, inhparent)) THEN", "WHERE watched = inhparent) THEN"}},
		"./internal/invalidate/feed", "Catalog/inheriting"},
	{"fault/fed by a subscription", []Edit{{triggers + "120_state.sql", "IF EXISTS (SELECT FROM pg_catalog.pg_subscription_rel WHERE srrelid = watched) THEN", "IF false THEN"}},
		"./internal/invalidate/feed", "FedByASubscription"},
	{"fault/trigger missing", []Edit{{triggers + "120_state.sql", "WHERE t.tgenabled IS DISTINCT FROM 'A'", "WHERE t.tgenabled <> 'A'"}},
		"./internal/invalidate/feed", "Catalog/dropped"},
	{"fault/trigger not always", []Edit{{triggers + "120_state.sql", "WHERE t.tgenabled IS DISTINCT FROM 'A'", "WHERE t.oid IS NULL OR t.tgenabled = 'D'"}},
		"./internal/invalidate/feed", "Catalog/enabled"},
	{"fault/columns at other positions", []Edit{{triggers + "120_state.sql", "WHERE (freshlist.properties_positions())[c.number + 1] IS DISTINCT FROM", "WHERE false AND (freshlist.properties_positions())[c.number + 1] IS DISTINCT FROM"}},
		"./internal/invalidate/feed", "SwapThenInstall"},
	{"fault/row security of the changes", []Edit{{triggers + "120_state.sql", "c.relrowsecurity OR c.relhastriggers OR", "c.relhastriggers OR"}},
		"./internal/invalidate/feed", "OwnTablesTouched"},
	{"fault/triggers of the changes", []Edit{{triggers + "120_state.sql", "c.relrowsecurity OR c.relhastriggers OR", "c.relrowsecurity OR"}},
		"./internal/invalidate/feed", "OwnTablesTouched"},
	{"fault/rules of the changes", []Edit{{triggers + "120_state.sql", "c.relhastriggers OR c.relhasrules\n", "c.relhastriggers\n"}},
		"./internal/invalidate/feed", "OwnTablesTouched"},
	{"fault/relatives of the changes", []Edit{{triggers + "120_state.sql",
		"                OR c.oid IN (SELECT inhrelid FROM pg_catalog.pg_inherits UNION ALL SELECT inhparent FROM pg_catalog.pg_inherits)\n", ""}},
		"./internal/invalidate/feed", "OwnTablesTouched"},
	{"fault/functions open to all", []Edit{{triggers + "120_state.sql", "AND has_function_privilege('public', oid, 'EXECUTE')", "AND false"}},
		"./internal/invalidate/feed", "Catalog/a_function_open"},
	{"fault/trigger of another function", []Edit{{triggers + "120_state.sql", "SELECT pg_catalog.pg_get_triggerdef(t.oid)\n", "SELECT t.tgname::text\n"}},
		"./internal/invalidate/feed", "Catalog/another_function"},
	{"fault/index missing", []Edit{{triggers + "120_state.sql", "SELECT pg_catalog.pg_get_indexdef(i.indexrelid)\n", "SELECT NULL::text\n"}},
		"./internal/invalidate/feed", "Catalog/an_index"},
	{"fault/changes of other columns", []Edit{{triggers + "120_state.sql", "AND c.relkind IN ('r', 'c') AND c.relname ~", "AND false AND c.relname ~"}},
		"./internal/schema", "Compare"},

	// What is repaired.
	{"repair/disabled triggers too", []Edit{{triggers + "130_repair.sql", "t.tgenabled IN ('O', 'R')", "t.tgenabled IN ('O', 'R', 'D')"}},
		"./internal/invalidate/feed", "Repair$"},
	{"repair/replica triggers not", []Edit{{triggers + "130_repair.sql", "t.tgenabled IN ('O', 'R')", "t.tgenabled = 'O'"}},
		"./internal/invalidate/feed", "Repair$"},
	{"repair/looked before the lock only", []Edit{{triggers + "130_repair.sql", "    LOCK TABLE public.properties IN SHARE ROW EXCLUSIVE MODE;\n", ""}},
		"./internal/invalidate/feed", "RepairLooksAgain"},

	// What a table must be to be captured.
	{"fit/column missing", []Edit{{triggers + "015_columns.sql", "(a.attnum IS NULL,", "(false,"}},
		"./internal/schema", "Misfits/longitude"},
	{"fit/type", []Edit{{triggers + "015_columns.sql", "(format_type(a.atttypid, a.atttypmod) <> c.type,", "(false,"}},
		"./internal/schema", "Misfits/(bedrooms|price)"},
	{"fit/collation", []Edit{{triggers + "015_columns.sql", "(NOT l.collisdeterministic,", "(false,"}},
		"./internal/schema", "Misfits/column_city"},
	{"fit/NULL allowed", []Edit{{triggers + "015_columns.sql", "(c.required AND NOT a.attnotnull,", "(false,"}},
		"./internal/schema", "Misfits/price"},
	{"fit/encoding", []Edit{{triggers + "015_columns.sql", "IF encoding <> 'UTF8' THEN", "IF false THEN"}},
		"./internal/schema", "EncodingRefused"},
	{"fit/key not primary", []Edit{{triggers + "015_columns.sql", "AND i.indisprimary AND", "AND"}},
		"./internal/schema", "Misfits/.*key"},
	{"fit/key of several columns", []Edit{{triggers + "015_columns.sql", "AND i.indnkeyatts = 1 ", ""}},
		"./internal/schema", "Misfits/.*key"},
	{"fit/key of another column", []Edit{{triggers + "015_columns.sql", " AND a.attname = 'id'", ""}},
		"./internal/schema", "Misfits/.*key"},

	// How all of it is installed.
	{"install/writers not kept out", []Edit{{"internal/schema/install.go",
		"	if err := keepWritersOut(ctx, tx); err != nil {\n		return err\n	}\n	if _, err := tx.Exec(ctx, becomeOwner)", "	if _, err := tx.Exec(ctx, becomeOwner)"}},
		"./internal/schema", "InstallLocksTheTableFirst/install|InstallWaits"},
	{"uninstall/writers not kept out", []Edit{{"internal/schema/install.go",
		"		if err := keepWritersOut(ctx, tx); err != nil {\n			return err\n		}\n", ""}},
		"./internal/schema", "InstallLocksTheTableFirst/uninstall"},
	{"install/not as the owner", []Edit{{"internal/schema/install.go", "	if _, err := tx.Exec(ctx, becomeOwner); err != nil {", "	if _, err := tx.Exec(ctx, \"select 1 -- \"+becomeOwner); err != nil {"}},
		"./internal/schema", "InstallAsSuperuser"},
	{"install/though nothing differs", []Edit{{"internal/schema/install.go", "	if difference == \"\" {\n		return false, grant(ctx, conn)\n	}\n", ""}},
		"./internal/schema", "InstallTwice"},
	{"install/fault left unsaid", []Edit{{"internal/schema/install.go", "err == nil && difference != \"\" {", "err == nil && false {"}},
		"./internal/schema", "Compare"},
}, statements())

// statements are guards that stand in the function of each statement.
func statements() (all []Mutant) {
	for _, file := range []string{"070_insert.sql", "080_update.sql", "090_delete.sql"} {
		for _, m := range []struct{ name, old, new, run string }{
			{"fails without the guard view", "IF pg_catalog.to_regclass('freshlist.properties_guard') IS NULL\n        OR", "IF", "GroundMoves/a_watched_column_dropped"},
			{"fails without the changes", "\n        OR pg_catalog.to_regclass('freshlist.properties_changes') IS NULL\n", "\n", "DDL/the_changes_renamed"},
			{"fails where the ground is gone", "        EXCEPTION WHEN OTHERS THEN\n            NULL;\n", "", "GroundMoves/the_schema_renamed"},
			{"rings though it may not", " AND freshlist.properties_may_ring()", "", "DoorbellWithLockTimeout"},
			{"does not try the lock where it may not ring", "NOT pg_catalog.pg_try_advisory_xact_lock_shared(7382074285561244019) AND freshlist.properties_may_ring()",
				"freshlist.properties_may_ring() AND NOT pg_catalog.pg_try_advisory_xact_lock_shared(7382074285561244019)", "DoorbellWithLockTimeout"},
			{"with the writer's rights", "SECURITY DEFINER SET", "SECURITY INVOKER SET", "StrangeWriter$"},
			{"by the writer's search_path", "SECURITY DEFINER SET search_path = pg_catalog, pg_temp", "SECURITY DEFINER", "StrangeWriter$"},
		} {
			if file == "080_update.sql" && m.new == "" && m.run == "DoorbellWithLockTimeout" {
				m.old += "\n    THEN"
				m.new += "\n    THEN"
			}
			all = append(all, Mutant{"capture/" + file[4:10] + " " + m.name, []Edit{{triggers + file, m.old, m.new}}, "./internal/invalidate/feed", m.run})
		}
	}
	return all
}
