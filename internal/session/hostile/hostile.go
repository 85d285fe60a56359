// Package hostile gives tests the values that a database, a role or a server may have been
// given and that would change what freshlist does, if its sessions did not set their own.
package hostile

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Setting is a parameter of PostgreSQL with a value that may do harm.
type Setting struct {
	Name, Value string
	// Writers, too, are hindered by it that set nothing themselves: they are not ours to mend.
	Writers bool
}

// String writes the setting as ALTER DATABASE ... SET takes it.
func (s Setting) String() string {
	value := "'" + strings.ReplaceAll(s.Value, "'", "''") + "'"
	if strings.Contains(s.Value, ", ") { // a list is not one word
		value = s.Value
	}
	return s.Name + " to " + value
}

// Settings are all that are tried.
func Settings() []Setting {
	return []Setting{
		{Name: "client_encoding", Value: "LATIN1"},
		{Name: "client_encoding", Value: "SQL_ASCII"},
		{Name: "DateStyle", Value: "German, DMY"},
		{Name: "DateStyle", Value: "SQL, DMY"},
		{Name: "IntervalStyle", Value: "iso_8601"},
		{Name: "TimeZone", Value: "Asia/Kathmandu"},
		{Name: "extra_float_digits", Value: "-15"},
		{Name: "bytea_output", Value: "escape"},
		{Name: "array_nulls", Value: "off"},
		{Name: "search_path", Value: "evil, pg_catalog"},
		{Name: "search_path", Value: "nowhere", Writers: true},
		{Name: "standard_conforming_strings", Value: "off"},
		{Name: "backslash_quote", Value: "off"},
		{Name: "quote_all_identifiers", Value: "on"},
		{Name: "transform_null_equals", Value: "on"},
		{Name: "gin_fuzzy_search_limit", Value: "1"},
		{Name: "row_security", Value: "off"},
		{Name: "xmlbinary", Value: "hex"},
		{Name: "default_text_search_config", Value: "german"},
		{Name: "default_transaction_isolation", Value: "serializable"},
		{Name: "default_transaction_isolation", Value: "repeatable read"},
		{Name: "default_transaction_read_only", Value: "on", Writers: true},
		{Name: "default_transaction_deferrable", Value: "on"},
		{Name: "statement_timeout", Value: "1ms", Writers: true},
		{Name: "lock_timeout", Value: "1ms", Writers: true},
		{Name: "idle_in_transaction_session_timeout", Value: "1ms", Writers: true},
		{Name: "idle_session_timeout", Value: "1ms", Writers: true},
		{Name: "exit_on_error", Value: "on"},
		{Name: "client_min_messages", Value: "debug5"},
		{Name: "check_function_bodies", Value: "off"},
		{Name: "synchronous_commit", Value: "off"},
		{Name: "plan_cache_mode", Value: "force_generic_plan"},
		{Name: "jit_above_cost", Value: "0"},
		{Name: "enable_indexscan", Value: "off"},
		{Name: "enable_bitmapscan", Value: "off"},
		{Name: "enable_seqscan", Value: "off"},
		{Name: "work_mem", Value: "64kB"},
		{Name: "timezone_abbreviations", Value: "India"},
		{Name: "plpgsql.extra_errors", Value: "all"},
		{Name: "plpgsql.variable_conflict", Value: "use_variable"},
		{Name: "session_replication_role", Value: "replica"},
	}
}

// Evil is a schema with operators and functions that lie, for what is not qualified.
const Evil = `
	create schema evil;
	grant usage on schema evil to public;
	create function evil.lie(text, text) returns boolean language sql as 'select false';
	create operator evil.= (leftarg = text, rightarg = text, function = evil.lie);
	create function evil.times(numeric, integer) returns numeric language sql as 'select 7::numeric';
	create operator evil.* (leftarg = numeric, rightarg = integer, function = evil.times);
	create function evil.times(bigint, numeric) returns numeric language sql as 'select 7::numeric';
	create operator evil.* (leftarg = bigint, rightarg = numeric, function = evil.times);
	create function evil.pg_current_xact_id() returns xid8 language sql as $$ select '3'::xid8 $$;
	create function evil.pg_current_snapshot() returns pg_snapshot language sql as $$ select '3:3:'::pg_snapshot $$;
	create function evil.clock_timestamp() returns timestamptz language sql as $$ select timestamptz '1999-01-01Z' $$;
	create function evil.pg_is_in_recovery() returns boolean language sql as 'select true';
	create function evil.min(numeric) returns numeric language sql as 'select 7::numeric';
	create view evil.pg_database as select 1::oid as oid, 'none'::name as datname;`

// Set makes a setting that of a database, or of some of its roles in it.
func Set(ctx context.Context, superuser *pgx.Conn, s Setting, roles ...string) error {
	return alter(ctx, superuser, "set "+s.String(), roles)
}

// Reset takes a setting back.
func Reset(ctx context.Context, superuser *pgx.Conn, s Setting, roles ...string) error {
	return alter(ctx, superuser, "reset "+s.Name, roles)
}

func alter(ctx context.Context, superuser *pgx.Conn, what string, roles []string) error {
	database := pgx.Identifier{superuser.Config().Database}.Sanitize()
	var targets []string
	for _, role := range roles {
		targets = append(targets, "role "+pgx.Identifier{role}.Sanitize()+" in database "+database)
	}
	if len(roles) == 0 {
		targets = []string{"database " + database}
	}
	for _, target := range targets {
		if _, err := superuser.Exec(ctx, "alter "+target+" "+what); err != nil {
			return fmt.Errorf("alter %s %s: %w", target, what, err)
		}
	}
	return nil
}
