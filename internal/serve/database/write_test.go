package database_test

import (
	"errors"
	"maps"
	"testing"
	"time"

	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/listing/listingtest"
	"github.com/freshlist/freshlist/internal/pgtest/migrated"
	"github.com/freshlist/freshlist/internal/serve/database"
)

// fields returns values for some columns of properties: name, value and so on.
func fields(pairs ...any) database.Fields {
	f := database.Fields{Values: listingtest.Row(properties(), pairs...)}
	for i := 0; i < len(pairs); i += 2 {
		f.Columns |= listing.ColumnSet(column(pairs[i].(string)))
	}
	return f
}

// everyField returns values for all columns that can be set, and for others, which are ignored.
func everyField() database.Fields {
	f := fields(
		"property_type", "Condo", "status", "sold", "price", listing.Value{Number: maxPrice}, "city", "FOLSOM", "postal_code", "95630",
		"bedrooms", 0, "bathrooms", "99.9", "living_area", 1, "latitude", "-90", "longitude", "180",
		"title", "Ünique", "description", "'; drop table properties; --",
	)
	f.Columns = properties().AllColumns()
	return f
}

// What is written is read back, every column of it, and what is not given stays.
func TestWrittenIsRead(t *testing.T) {
	t.Parallel()
	db := migrated.New(t)
	pool := open(t, db.API, 1)
	reader, writer := database.NewReader(pool, nothing), database.NewWriter(pool)
	created, err := writer.Create(t.Context(), properties(), everyField())
	if err != nil {
		t.Fatal(err)
	}
	want := everyField().Values
	for _, name := range []string{"id", "created_at", "updated_at"} {
		want.Set(column(name), created.Row.Get(column(name)))
	}
	if !same(created.Row, want) || number(want, "id") == 0 || number(want, "created_at") == 0 || number(want, "updated_at") != number(want, "created_at") {
		t.Errorf("created\n%+v, want\n%+v", created.Row, want)
	}
	key := want.Values[properties().Key]

	change := fields("price", "0.01", "postal_code", nil, "city", "not given")
	change.Columns &^= listing.ColumnSet(column("city"))
	patched, err := writer.Patch(t.Context(), properties(), key, change, nil)
	if err != nil {
		t.Fatal(err)
	}
	want.Set(column("price"), change.Values.Get(column("price")))
	want.Set(column("postal_code"), listing.Null[listing.Value]{})
	want.Set(column("updated_at"), patched.Row.Get(column("updated_at")))
	if !same(patched.Row, want) || number(want, "updated_at") <= number(want, "created_at") {
		t.Errorf("patched\n%+v, want\n%+v", patched.Row, want)
	}
	qs, err := reader.Read(t.Context(), properties().RowQuery(key))
	if err != nil || len(qs.Items) != 1 || !same(qs.Items[0], want) {
		t.Errorf("read\n%+v (%v), want\n%+v", qs.Items, err, want)
	}
	if _, err := writer.Delete(t.Context(), properties(), key, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := writer.Delete(t.Context(), properties(), key, nil); !errors.Is(err, database.ErrNotFound) {
		t.Errorf("second delete: %v, want ErrNotFound", err)
	}
	if created.Xid == 0 || patched.Xid <= created.Xid {
		t.Errorf("transactions %d and %d, want two, in order", created.Xid, patched.Xid)
	}
}

// The precondition sees the row as it is under its lock; refused, nothing changes.
func TestPrecondition(t *testing.T) {
	t.Parallel()
	db := migrated.New(t)
	writer := database.NewWriter(open(t, db.API, 1))
	created, err := writer.Create(t.Context(), properties(), everyField())
	if err != nil {
		t.Fatal(err)
	}
	key := created.Row.Values[properties().Key]
	var seen listing.Row
	no := func(r listing.Row) bool { seen = r; return false }
	cheap := fields("price", 0)
	if _, err := writer.Patch(t.Context(), properties(), key, cheap, no); !errors.Is(err, database.ErrPrecondition) || !same(seen, created.Row) {
		t.Errorf("patch: %v after showing %+v, want ErrPrecondition after the row", err, seen)
	}
	if _, err := writer.Delete(t.Context(), properties(), key, no); !errors.Is(err, database.ErrPrecondition) {
		t.Errorf("delete: %v, want ErrPrecondition", err)
	}
	after, err := writer.Patch(t.Context(), properties(), key, database.Fields{}, func(r listing.Row) bool { return same(r, created.Row) })
	if err != nil || !same(after.Row, created.Row) {
		t.Errorf("the row after two refusals: %+v (%v)", after.Row, err)
	}
	seen = listing.Row{}
	if _, err := writer.Patch(t.Context(), properties(), id(1<<40), cheap, no); !errors.Is(err, database.ErrNotFound) || seen.Values != nil {
		t.Errorf("patch of nothing: %v, want ErrNotFound without asking", err)
	}
}

// updated_at is the time of the write, not of its wait for the row: two writes in
// a row do not turn it back.
func TestUpdatedAtGoesForward(t *testing.T) {
	t.Parallel()
	db := migrated.New(t)
	conn := connect(t, db.Superuser)
	writer := database.NewWriter(open(t, db.API, 1))
	created, err := writer.Create(t.Context(), properties(), everyField())
	if err != nil {
		t.Fatal(err)
	}
	key := created.Row.Values[properties().Key]
	id := key.Number
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "select from properties where id = $1 for update", id); err != nil {
		t.Fatal(err)
	}
	patched := make(chan int64, 1)
	go func() {
		w, err := writer.Patch(t.Context(), properties(), key, fields("price", 0), nil)
		if err != nil {
			t.Errorf("patch: %v", err)
			w.Row = properties().NewRow()
		}
		patched <- number(w.Row, "updated_at")
	}()
	awaitLockWaiter(t, connect(t, db.Superuser))
	var other time.Time
	err = tx.QueryRow(t.Context(), "update properties set updated_at = clock_timestamp() where id = $1 returning updated_at", id).Scan(&other)
	if err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := <-patched; got <= listing.InstantOf(other) {
		t.Errorf("updated_at went back from %v to %v", other, listing.TimeOf(got))
	}
}

// A column left out that has no default, and values that the table refuses,
// name the column.
func TestRules(t *testing.T) {
	t.Parallel()
	db := migrated.New(t)
	writer := database.NewWriter(open(t, db.API, 1))
	but := func(name string, v listing.Value) database.Fields {
		f := everyField()
		f.Values.Set(column(name), listing.Some(v))
		return f
	}
	for want, f := range map[string]database.Fields{
		"title":       {},
		"price":       but("price", listing.Value{Number: maxPrice + 1}),
		"status":      but("status", listing.Value{Text: "new"}),
		"bedrooms":    but("bedrooms", listing.Value{Number: -1}),
		"bathrooms":   but("bathrooms", listing.Value{Number: -5}),
		"living_area": but("living_area", listing.Value{Number: 0}),
		"latitude":    but("latitude", listing.Value{Number: listing.FloatNumber(91)}),
	} {
		_, err := writer.Create(t.Context(), properties(), f)
		var rule *database.RuleError
		if !errors.As(err, &rule) || len(rule.Columns) > 0 && rule.Columns[0] != want {
			t.Errorf("%s: %v, want a broken rule of it", want, err)
		}
	}
}

// A database that may not be written to, as a primary that has become a standby,
// is one that is not available.
func TestReadOnlyDatabase(t *testing.T) {
	t.Parallel()
	db := migrated.New(t)
	writer := database.NewWriter(open(t, with(t, db.API, "default_transaction_read_only", "on"), 1))
	if _, err := writer.Create(t.Context(), properties(), everyField()); !errors.Is(err, database.ErrUnavailable) {
		t.Errorf("create: %v, want ErrUnavailable", err)
	}
}

// Of two patches that were made for the same state of a property one wins, and the other
// is told so: the second one's precondition is asked under the row's lock.
func TestPreconditionsAreAskedOneAfterTheOther(t *testing.T) {
	t.Parallel()
	db := migrated.New(t)
	writer := database.NewWriter(open(t, db.API, 2))
	created, err := writer.Create(t.Context(), properties(), everyField())
	if err != nil {
		t.Fatal(err)
	}
	key, watch := created.Row.Values[properties().Key], connect(t, db.Superuser)
	cheap := fields("price", 0)
	unchanged := func(r listing.Row) bool { return same(r, created.Row) }
	asked := make(chan struct{}, 1)
	second := make(chan error, 1)
	_, first := writer.Patch(t.Context(), properties(), key, cheap, func(r listing.Row) bool {
		go func() {
			_, err := writer.Patch(t.Context(), properties(), key, cheap, func(r listing.Row) bool {
				asked <- struct{}{}
				return unchanged(r)
			})
			second <- err
		}()
		for waits := false; !waits; { // until the second one waits for the row, or need not
			err := watch.QueryRow(t.Context(), `select exists (select from pg_stat_activity
				where datname = current_database() and wait_event_type = 'Lock')`).Scan(&waits)
			if err != nil {
				t.Error(err)
				return false
			}
			select {
			case <-asked:
				t.Error("the second precondition was asked while the first was")
				return unchanged(r)
			default:
			}
		}
		return unchanged(r)
	})
	if err := <-second; first != nil || !errors.Is(err, database.ErrPrecondition) {
		t.Errorf("two patches of the same state: %v and %v, want success and ErrPrecondition", first, err)
	}
}

// Every column of the table that is not the database's own can be created and patched by
// itself, and nothing else changes with it.
func TestEveryColumnIsWritten(t *testing.T) {
	t.Parallel()
	db := migrated.New(t)
	conn := connect(t, db.Superuser)
	writer := database.NewWriter(open(t, db.API, 1))
	stored := func(id int64) (columns map[string]string) { // as text, without the database's own
		t.Helper()
		err := conn.QueryRow(t.Context(), `select jsonb_object_agg(key, coalesce(value, 'null'))
			from properties, jsonb_each_text(to_jsonb(properties) - '{id, created_at, updated_at, search}'::text[]) where id = $1`, id).Scan(&columns)
		if err != nil {
			t.Fatal(err)
		}
		return columns
	}
	create := func(f database.Fields) int64 {
		t.Helper()
		created, err := writer.Create(t.Context(), properties(), f)
		if err != nil {
			t.Fatal(err)
		}
		return number(created.Row, "id")
	}
	least := fields("title", "a", "property_type", "b", "price", "0.01", "city", "c")
	all := stored(create(everyField()))
	for name := range all {
		if column(name) < 0 {
			continue // what the description does not know
		}
		n := create(least)
		before := stored(n)
		if all[name] == before[name] {
			t.Errorf("create ignored %s", name)
		}
		one := everyField()
		one.Columns = listing.ColumnSet(column(name))
		_, err := writer.Patch(t.Context(), properties(), id(n), one, nil)
		if err != nil {
			t.Fatal(err)
		}
		want := maps.Clone(before)
		want[name] = all[name]
		if got := stored(n); !maps.Equal(got, want) {
			t.Errorf("patch of %s: %v, want %v", name, got, want)
		}
	}
}
