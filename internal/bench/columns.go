package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/freshlist/freshlist/internal/schema"
)

// usedColumns is how many columns the description of a wide table uses, with the key.
const usedColumns = 60

// wideColumns are the kinds of its other columns, in turn: what they are for, and the value in
// row n of column c. The first one is what is edited.
var wideColumns = []struct{ sqlType, members, value string }{
	{"integer", "filter: range", "n * %d %% 50"},
	{"text", "filter: any-of", "'kind ' || n * %d %% 8"},
	{"numeric(10, 2)", "filter: range", "n * %d %% 300 / 4.0"},
	{"date", "filter: range", "date '2024-01-01' + n * %d %% 60"},
	{"double precision", "", "n * %d %% 90 / 7.0"},
	{"boolean", "filter: any-of", "n * %d %% 2 = 0"},
	{"timestamptz", "filter: min", "timestamptz '2024-01-01 00:00:00+00' + n * %d %% 600 * interval '1 minute'"},
	{"text", "on: item, show: paragraph", "repeat('A few words. ', n * %d %% 10)"},
	{"smallint", "", "n * %d %% 90"},
	{"jsonb", "on: item", "jsonb_build_object('n', n * %d %% 20)"},
}

// columns measures what a one-row UPDATE of a wide table spends in the triggers, in turns with a
// table like it that is not described.
func (b *bench) columns(ctx context.Context) error {
	const database = "columns"
	if err := b.copy(ctx, database); err != nil {
		return err
	}
	rows := b.times(10_000, 500)
	tables, description := wideTables(rows)
	return b.on(ctx, b.owner(database), func(conn *pgx.Conn) error {
		if _, err := conn.Exec(ctx, tables); err != nil {
			return err
		}
		done, err := schema.InstallFile(ctx, conn, schema.File{Name: "wide.yaml", Text: description})
		if err != nil {
			return err
		}
		if used := len(done.Description.Tables[0].Columns); used != usedColumns {
			return fmt.Errorf("the description uses %d columns, not %d", used, usedColumns)
		}
		update := func(table string) func() (float64, error) {
			return b.looping(ctx, conn, fmt.Sprintf("update public.%s set c1 = 3 - c1 %% 2 where id = 1 + (i::bigint * 7919) %% %d", table, rows))
		}
		p, err := alternate(b.times(24, 2), update("wide"), update("plain"))
		if err != nil {
			return err
		}
		b.add(fmt.Sprintf("capture of a one-row UPDATE, %d columns", usedColumns), microseconds, p.less(), atMost(35),
			"%.1f us with, %.1f us without; in a DO loop", p.ours.median(), p.theirs.median())
		return nil
	})
}

// wideTables returns the SQL that makes two wide tables, and a description of the first.
func wideTables(rows int) (sql, description string) {
	var columns, values, described strings.Builder
	for c := 1; c < usedColumns; c++ {
		k := wideColumns[(c-1)%len(wideColumns)]
		fmt.Fprintf(&columns, ", c%d %s", c, k.sqlType)
		fmt.Fprintf(&values, ", "+k.value, 2*c+1)
		fmt.Fprintf(&described, "      c%d: {%s}\n", c, k.members)
	}
	for _, table := range []string{"wide", "plain"} {
		sql += fmt.Sprintf("create table public.%s (id bigint primary key%s) with (fillfactor = 90); ", table, &columns)
		sql += fmt.Sprintf("insert into public.%s select n%s from generate_series(1, %d) as n; ", table, &values, rows)
	}
	return sql + "analyze public.wide, public.plain", "tables:\n  wide:\n    columns:\n      id: {}\n" + described.String()
}
