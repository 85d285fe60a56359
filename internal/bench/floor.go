package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// floors are copies of the untriggered table, each with a trigger that does less than
// capture has to: what is lost there, no capture by such a trigger can win.
var floors = []struct{ database, what, sql string }{
	{"empty", "a trigger that does nothing", `
		create function public.capture() returns trigger language plpgsql
		security definer set search_path = pg_catalog, pg_temp as $$
		begin
			return null;
		end $$`},
	{"images", "a trigger that only stores the row before and after", `
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

// floor measures one-row UPDATEs beside such triggers, as writers and capture do.
func (b *bench) floor(ctx context.Context) error {
	script, err := b.script("update.sql", fmt.Sprintf(updateOne, probed+1, b.rows))
	if err != nil {
		return err
	}
	return b.on(ctx, b.postgres.SuperuserURL("postgres"), func(admin *pgx.Conn) error {
		for _, f := range floors {
			if _, err := admin.Exec(ctx, "create database "+f.database+" template "+untriggered); err != nil {
				return err
			}
			err := errors.Join(b.exec(ctx, f.database, f.sql+";"+hang), b.below(ctx, f.database, f.what, script))
			if _, dropped := admin.Exec(ctx, "drop database "+f.database); err != nil || dropped != nil {
				return errors.Join(err, dropped)
			}
		}
		return nil
	})
}

// below measures one of the floors.
func (b *bench) below(ctx context.Context, database, what, script string) error {
	p, err := alternate(b.times(20, 2), b.updating(ctx, database, script, "on"), b.updating(ctx, untriggered, script, "on"))
	if err != nil {
		return err
	}
	b.add("UPDATE, synchronous_commit=on, "+what+" / untriggered", ratio, p.ratio(), nil, "for comparison; %.0f/s, %.0f/s",
		p.ours.median(), p.theirs.median())
	if p, err = b.looped(ctx, database); err != nil {
		return err
	}
	b.add(what+", of a one-row UPDATE", microseconds, p.less(), nil, "for comparison; %.1f us with, %.1f us without",
		p.ours.median(), p.theirs.median())
	return nil
}
