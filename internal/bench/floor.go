package main

import (
	"context"
	"fmt"
)

// floors are copies of the untriggered table, each with a trigger to hold capture against:
// one that does nothing, below which none can be, and the plainest one that stores both rows,
// which tests nothing and takes no lock.
var floors = []struct{ database, what, sql string }{
	{"empty", "a trigger that does nothing", `
		create function public.capture() returns trigger language plpgsql
		security definer set search_path = pg_catalog, pg_temp as $$
		begin
			return null;
		end $$`},
	{"images", "a trigger that only stores both rows", `
		create unlogged table public.changes (xid xid8, old_row public.properties, new_row public.properties);
		create index on public.changes (xid);
		create function public.capture() returns trigger language plpgsql
		security definer set search_path = pg_catalog, pg_temp as $$
		begin
			insert into public.changes
			select pg_catalog.pg_current_xact_id(), row(o.*)::public.properties, row(n.*)::public.properties
			from old_rows as o, new_rows as n;
			return null;
		end $$`},
}

const hang = `
	create trigger capture after update on public.properties
	referencing old table as old_rows new table as new_rows for each statement execute function public.capture()`

// floor measures one-row UPDATEs beside such triggers, in turns with capture.
func (b *bench) floor(ctx context.Context) error {
	for _, f := range floors {
		if err := b.copy(ctx, f.database); err != nil {
			return err
		}
		if err := b.exec(ctx, f.database, f.sql+";"+hang); err != nil {
			return err
		}
	}
	return b.below(ctx)
}

// below measures the triggers; the untriggered table is the last of the databases.
func (b *bench) below(ctx context.Context) error {
	databases, names := []string{captured}, []string{"captured"}
	for _, f := range floors {
		databases, names = append(databases, f.database), append(names, f.what)
	}
	databases = append(databases, untriggered)
	script, err := b.script("update.sql", fmt.Sprintf(updateOne, probed+1, b.rows))
	if err != nil {
		return err
	}
	var each []func() (float64, error)
	for _, d := range databases {
		each = append(each, b.updating(ctx, d, script, "on"))
	}
	rates, err := inTurns(b.times(20, 2), each...)
	if err != nil {
		return err
	}
	times, err := b.looped(ctx, databases...)
	if err != nil {
		return err
	}
	rate, took := rates[len(names)], times[len(names)]
	for i, name := range names {
		b.add("floor: UPDATE, synchronous_commit=on, "+name+" / untriggered", ratio, pairs{rates[i], rate}.ratio(), nil,
			"for comparison; %.0f/s, %.0f/s", rates[i].median(), rate.median())
	}
	for i, name := range names {
		b.add("floor: one-row UPDATE in a DO loop, "+name, microseconds, pairs{times[i], took}.less(), nil,
			"for comparison; %.1f us with, %.1f us without", times[i].median(), took.median())
	}
	return nil
}
