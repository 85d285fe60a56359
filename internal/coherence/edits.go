package coherence

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/freshlist/freshlist/internal/listing/listingtest"
)

// setup makes, as the table's owner, what the edits go through besides plain
// statements, and the first rows: a view, a function, and a table whose TRUNCATE
// CASCADE reaches the listings. The table's checks are dropped.
const setup = listingtest.DropChecks + `;
	create function stored(timestamptz) returns bigint language sql as $$select ('x' || encode(timestamptz_send($1), 'hex'))::bit(64)::bigint$$;
	create view listing_prices as select id, price from public.properties;
	create function raise_price(which bigint) returns void language sql
		as 'update public.properties set price = price + 1 where id = which';
	create table cascading (id bigint primary key);
	alter table public.properties add column cascading_id bigint references cascading;
	create table public.visits (id bigint primary key, note text collate "C");
	create index on public.visits (note, id);
	insert into public.visits select n, 'Visit ' || n from generate_series(1, 5) as n;
	alter table public.photos alter column property_id drop not null;
	` + sampleRows + ";" + sampleInner

// sampleRows fills the table: 30 rows in each of three cities, many with equal sort
// keys, some with NULLs, and some noise. Ids go from 1 to 90.
const sampleRows = `
	insert into public.properties (id, title, description, property_type, status, price, city, postal_code, bedrooms, bathrooms,
		living_area, latitude, longitude, created_at, updated_at, agent_id)
	select n, 'House ' || n, case when n % 5 = 0 then 'with a zebrano floor' else '' end,
		(array['Residential', 'Condo', 'Multi_Family'])[n % 3 + 1], 'for_sale', 100000 + 5000 * (n % 20),
		(array['ALPHA', 'BETA', 'GAMMA'])[n % 3 + 1], case when n % 4 > 0 then '95' || n % 7 end,
		case when n % 6 > 0 then n % 5 end, 1 + n % 3, case when n % 7 > 0 then 900 + 50 * (n % 10) end, 38 + n / 100.0, -121 - n / 100.0,
		timestamptz '2020-01-01' + n / 3 * interval '1 hour', timestamptz '2020-01-01', nullif(n % 11, 0)
	from generate_series(1, 90) as n;
	insert into public.properties (id, title, property_type, price, city)
	select 1000000 + n, 'Noise', 'Condo', n, 'NOISE' from generate_series(1, 50) as n`

// sampleInner fills the tables whose rows stand inside those of properties: eight agents, of which each
// listing may name one that is not there, and up to four photos for each listing.
const sampleInner = `
	insert into public.agents (id, name, agency, phone, email)
	select n, 'Agent ' || n, (array['North', 'South'])[n % 3], '555-' || n, 'agent' || n || '@example.com' from generate_series(1, 8) as n;
	insert into public.photos (id, property_id, position, caption, image)
	select n, 1 + n * 7 % 60, n % 4, 'Photo ' || n, '<svg/>' from generate_series(1, 120) as n`

// editor makes random edits: every kind of statement that can change a table.
type editor struct {
	random *rand.Rand
	rows   int // about how many rows there are
}

// transaction runs some edits, with savepoints, some rolled back, and sometimes all
// of it (errRollBack).
func (e editor) transaction(ctx context.Context, tx pgx.Tx) error {
	for range 1 + e.random.IntN(3) {
		if e.random.IntN(4) > 0 {
			if err := e.statement(ctx, tx); err != nil {
				return err
			}
			continue
		}
		inner, err := tx.Begin(ctx) // SAVEPOINT
		if err != nil {
			return err
		}
		if err := e.statement(ctx, inner); err != nil {
			return err
		}
		if e.random.IntN(2) == 0 {
			err = inner.Rollback(ctx)
		} else {
			err = inner.Commit(ctx)
		}
		if err != nil {
			return err
		}
	}
	if e.random.IntN(10) == 0 {
		return errRollBack
	}
	return nil
}

// id returns the id of a row that may be there.
func (e editor) id() int { return 1 + e.random.IntN(120) }

func (e editor) city() string { return []string{"ALPHA", "BETA", "GAMMA"}[e.random.IntN(3)] }

func (e editor) price() int { return 100000 + 5000*e.random.IntN(22) }

// statement runs one statement of a random kind.
func (e editor) statement(ctx context.Context, tx pgx.Tx) error {
	if e.random.IntN(12) == 0 {
		return e.copyIn(ctx, tx)
	}
	_, err := tx.Exec(ctx, e.sql())
	return err
}

func (e editor) sql() string {
	id := e.id()
	if e.random.IntN(4) == 0 { // keep the number of rows where it is
		if e.rows > 90 {
			return fmt.Sprintf("delete from public.properties where id in (%d, %d)", id, e.id())
		}
		return fmt.Sprintf(`insert into public.properties (id, title, property_type, price, city, bedrooms)
			values (%d, 'New', 'Condo', %d, '%s', 2), (%d, 'New zebrano', 'Residential', %d, '%s', null) on conflict do nothing`,
			id, e.price(), e.city(), id+1, e.price(), e.city())
	}
	kinds := []func() string{
		func() string { return e.odd(id) },
		func() string {
			return fmt.Sprintf("update public.properties set price = %d where id = %d", e.price(), id)
		},
		func() string {
			return fmt.Sprintf("update public.properties set title = 'Title %d', updated_at = clock_timestamp() where id = %d", e.random.IntN(1000), id)
		},
		func() string {
			return fmt.Sprintf("update public.properties set title = 'Casa de Málaga %d €' where id = %d", e.random.IntN(1000), id)
		},
		func() string {
			return fmt.Sprintf("update public.properties set description = 'zebrano %d' where id between %d and %d", e.random.IntN(9), id, id+2)
		},
		func() string {
			return fmt.Sprintf("update public.properties set city = '%s' where id = %d", e.city(), id)
		},
		func() string {
			return fmt.Sprintf("update public.properties set city = 'NOISE' where id = %d", id)
		},
		func() string {
			return fmt.Sprintf("update public.properties set living_area = nullif(%d, 900) where id = %d", 900+50*e.random.IntN(4), id)
		},
		func() string {
			return fmt.Sprintf("update public.properties set bedrooms = nullif(%d, 0), status = 'pending' where id = %d", e.random.IntN(5), id)
		},
		func() string { return fmt.Sprintf("update public.properties set price = price where id = %d", id) },
		func() string {
			return fmt.Sprintf("update public.properties set price = price + 100 where city = '%s' and id %% 3 = %d", e.city(), e.random.IntN(3))
		},
		func() string {
			return fmt.Sprintf("update public.properties set id = %d where id = %d and not exists (select from public.properties where id = %[1]d)", e.id(), id)
		},
		func() string { return fmt.Sprintf("update listing_prices set price = %d where id = %d", e.price(), id) },
		func() string { return fmt.Sprintf("select raise_price(%d)", id) },
		func() string {
			return fmt.Sprintf("do $$ begin update public.properties set created_at = created_at + interval '1 day' where id = %d; end $$", id)
		},
		func() string {
			return fmt.Sprintf(`insert into public.properties (id, title, property_type, price, city) values (%d, 'Upsert', 'Condo', %d, '%s')
				on conflict (id) do update set price = excluded.price, postal_code = null`, id, e.price(), e.city())
		},
		func() string {
			return fmt.Sprintf(`merge into public.properties p using (values (%d::bigint), (%d)) as v (id) on p.id = v.id
				when matched and p.id %% 2 = 0 then delete
				when matched then update set price = p.price + 50
				when not matched then insert (id, title, property_type, price, city) values (v.id, 'Merged', 'Condo', %d, '%s')`,
				id, id+7, e.price(), e.city())
		},
		func() string {
			return fmt.Sprintf(`with gone as (delete from public.properties where id = %d returning *)
				insert into public.properties (id, title, property_type, price, city, created_at)
				select id + 200, title, property_type, price, city, created_at from gone`, id)
		},
	}
	if e.random.IntN(3) == 0 {
		kinds = e.inner()
	}
	return kinds[e.random.IntN(len(kinds))]()
}

// inner returns edits of what stands inside rows: of inner rows, of what joins them to outer ones, and of
// both in one statement.
func (e editor) inner() []func() string {
	listing, other, agent, photo := e.id(), e.id(), 1+e.random.IntN(10), 1+e.random.IntN(130)
	return []func() string{
		func() string {
			return fmt.Sprintf("update public.agents set name = 'Agent %d' where id = %d", e.random.IntN(1000), agent)
		},
		func() string {
			return fmt.Sprintf("update public.agents set phone = '555-%d', email = nullif('%[1]d', '7') where id = %[2]d", e.random.IntN(1000), agent)
		},
		func() string {
			return fmt.Sprintf("update public.agents set agency = nullif('%s', 'None') where id = %d", []string{"North", "South", "None"}[e.random.IntN(3)], agent)
		},
		func() string { return fmt.Sprintf("delete from public.agents where id = %d", agent) },
		func() string {
			return fmt.Sprintf("insert into public.agents (id, name, agency) values (%d, 'New', 'North') on conflict (id) do update set name = 'Renewed'", agent)
		},
		func() string {
			return fmt.Sprintf("update public.agents set id = %d where id = %d and not exists (select from public.agents where id = %[1]d)", 1+e.random.IntN(10), agent)
		},
		func() string {
			return fmt.Sprintf("update public.properties set agent_id = nullif(%d, 10) where id = %d", agent, listing)
		},
		func() string {
			return fmt.Sprintf("update public.properties set agent_id = %d where agent_id = %d and id %% 3 = 0", 1+e.random.IntN(9), agent)
		},
		func() string {
			return fmt.Sprintf("update public.photos set property_id = %d where property_id = %d", listing, other)
		},
		func() string {
			return fmt.Sprintf("update public.photos set property_id = nullif(%d, 50) where id = %d", listing, photo)
		},
		func() string {
			return fmt.Sprintf("update public.photos set position = %d where id = %d", e.random.IntN(4), photo)
		},
		func() string {
			return fmt.Sprintf("update public.photos set caption = 'Photo %d' where property_id = %d", e.random.IntN(1000), listing)
		},
		func() string {
			return fmt.Sprintf("update public.photos set image = '<svg></svg>' where id = %d", photo)
		},
		func() string {
			return fmt.Sprintf("insert into public.photos (id, property_id, position, caption, image) values (%d, %d, 1, 'New', '<svg/>') on conflict do nothing", photo, listing)
		},
		func() string { return fmt.Sprintf("delete from public.photos where id in (%d, %d)", photo, photo+1) },
		func() string { // the listing swaps its photos with another's, and its agent too
			return fmt.Sprintf(`with moved as (update public.photos set property_id = case property_id when %d then %d else %[1]d end where property_id in (%[1]d, %[2]d))
				update public.properties set agent_id = coalesce(agent_id, 0) %% 9 + 1 where id = %[1]d`, listing, other)
		},
		func() string {
			return fmt.Sprintf("insert into public.visits values (%d, 'Visit %d') on conflict (id) do update set note = excluded.note", 1+e.random.IntN(6), e.random.IntN(100))
		},
		func() string { return fmt.Sprintf("delete from public.visits where id = %d", 1+e.random.IntN(6)) },
	}
}

// odd gives one column of a listing any value that its type can hold.
func (e editor) odd(id int) string {
	columns := listingtest.Columns()[1:] // not the id
	c := columns[e.random.IntN(len(columns))]
	v := c.Values[e.random.IntN(len(c.Values))]
	switch {
	case strings.HasPrefix(v, "repeat("): // the answers are kept
		v = "'long'"
	case c.Name == "price" && v == "999999999999.99", c.Name == "created_at" && strings.HasPrefix(v, "'294276"):
		v = c.Values[0] // other edits add to it
	}
	return fmt.Sprintf("update public.properties set %s = %s where id = %d", c.Name, v, id)
}

// copyIn is COPY, after a DELETE of what would be in its way.
func (e editor) copyIn(ctx context.Context, tx pgx.Tx) error {
	id := e.id()
	if _, err := tx.Exec(ctx, "delete from public.properties where id between $1 and $2", id, id+2); err != nil {
		return err
	}
	var rows [][]any
	for n := range 3 {
		rows = append(rows, []any{id + n, "Copied", "Residential", e.price(), e.city(), 3, time.Unix(1600000000+int64(id), 0)})
	}
	_, err := tx.CopyFrom(ctx, pgx.Identifier{"public", "properties"},
		[]string{"id", "title", "property_type", "price", "city", "bedrooms", "created_at"}, pgx.CopyFromRows(rows))
	return err
}

// truncate empties a table, also by way of another one, and fills it again.
func (e editor) truncate(ctx context.Context, tx pgx.Tx) error {
	sql := []string{
		"truncate public.properties; " + sampleRows, "truncate cascading cascade; " + sampleRows, "truncate public.agents, public.photos; " + sampleInner,
	}[e.random.IntN(3)]
	_, err := tx.Exec(ctx, "set local lock_timeout = '100ms'; "+sql)
	return err
}
