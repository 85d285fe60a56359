package database_test

import (
	"errors"
	"maps"
	"testing"
	"time"

	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/pgtest/migrated"
	"github.com/freshlist/freshlist/internal/serve/database"
)

func everyField() database.Fields {
	return database.Fields{
		Columns: listing.AllColumns,
		Values: listing.Property{
			Row: listing.Row{
				PropertyType: "Condo", Status: "sold", Price: listing.MaxPrice, City: "FOLSOM", PostalCode: listing.Some("95630"),
				Bedrooms: listing.Some[int16](0), Bathrooms: listing.Some[int16](listing.MaxBathrooms), LivingArea: listing.Some[int32](1),
				Latitude: listing.Some(-90.0), Longitude: listing.Some(180.0),
			},
			Title: "Ünique", Description: "'; drop table properties; --",
		},
	}
}

// What is written is read back, every column of it, and what is not given stays.
func TestWrittenIsRead(t *testing.T) {
	t.Parallel()
	db := migrated.New(t)
	pool := open(t, db.API, 1)
	reader, writer := database.NewReader(pool, nothing), database.NewWriter(pool)
	created, err := writer.Create(t.Context(), everyField())
	if err != nil {
		t.Fatal(err)
	}
	want := everyField().Values
	want.ID, want.CreatedAt, want.UpdatedAt = created.Property.ID, created.Property.CreatedAt, created.Property.UpdatedAt
	if created.Property != want || want.ID == 0 || want.CreatedAt == 0 || want.UpdatedAt != want.CreatedAt {
		t.Errorf("created\n%+v, want\n%+v", created.Property, want)
	}

	patched, err := writer.Patch(t.Context(), want.ID, database.Fields{
		Columns: listing.ColumnSet(listing.Price, listing.PostalCode),
		Values:  listing.Property{Row: listing.Row{Price: 1, City: "not given"}},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	want.Price, want.PostalCode, want.UpdatedAt = 1, listing.Null[string]{}, patched.Property.UpdatedAt
	if patched.Property != want || want.UpdatedAt <= want.CreatedAt {
		t.Errorf("patched\n%+v, want\n%+v", patched.Property, want)
	}
	qs, err := reader.Read(t.Context(), listing.Query{Kind: listing.PropertyKind, ID: want.ID})
	if err != nil || len(qs.Items) != 1 || qs.Items[0] != want {
		t.Errorf("read\n%+v (%v), want\n%+v", qs.Items, err, want)
	}
	if _, err := writer.Delete(t.Context(), want.ID, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := writer.Delete(t.Context(), want.ID, nil); !errors.Is(err, database.ErrNotFound) {
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
	created, err := writer.Create(t.Context(), everyField())
	if err != nil {
		t.Fatal(err)
	}
	id := created.Property.ID
	var seen listing.Property
	no := func(p listing.Property) bool { seen = p; return false }
	cheap := database.Fields{Columns: listing.ColumnSet(listing.Price)}
	if _, err := writer.Patch(t.Context(), id, cheap, no); !errors.Is(err, database.ErrPrecondition) || seen != created.Property {
		t.Errorf("patch: %v after showing %+v, want ErrPrecondition after the row", err, seen)
	}
	if _, err := writer.Delete(t.Context(), id, no); !errors.Is(err, database.ErrPrecondition) {
		t.Errorf("delete: %v, want ErrPrecondition", err)
	}
	same, err := writer.Patch(t.Context(), id, database.Fields{}, func(p listing.Property) bool { return p == created.Property })
	if err != nil || same.Property != created.Property {
		t.Errorf("the row after two refusals: %+v (%v)", same.Property, err)
	}
	seen = listing.Property{}
	if _, err := writer.Patch(t.Context(), 1<<40, cheap, no); !errors.Is(err, database.ErrNotFound) || seen.ID != 0 {
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
	created, err := writer.Create(t.Context(), everyField())
	if err != nil {
		t.Fatal(err)
	}
	id := created.Property.ID
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "select from properties where id = $1 for update", id); err != nil {
		t.Fatal(err)
	}
	patched := make(chan listing.Micros, 1)
	go func() {
		w, err := writer.Patch(t.Context(), id, database.Fields{Columns: listing.ColumnSet(listing.Price)}, nil)
		if err != nil {
			t.Errorf("patch: %v", err)
		}
		patched <- w.Property.UpdatedAt
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
	if got := <-patched; got <= listing.MicrosOf(other) {
		t.Errorf("updated_at went back from %v to %v", other, got.Time())
	}
}

// A column left out that has no default, and values that the table refuses,
// name the column.
func TestRules(t *testing.T) {
	t.Parallel()
	db := migrated.New(t)
	writer := database.NewWriter(open(t, db.API, 1))
	but := func(c listing.Column, change func(*listing.Property)) database.Fields {
		f := everyField()
		f.Columns |= listing.ColumnSet(c)
		change(&f.Values)
		return f
	}
	for want, f := range map[string]database.Fields{
		"title":       {},
		"price":       but(listing.Price, func(p *listing.Property) { p.Price = listing.MaxPrice + 1 }),
		"status":      but(listing.Status, func(p *listing.Property) { p.Status = "new" }),
		"bedrooms":    but(listing.Bedrooms, func(p *listing.Property) { p.Bedrooms.V = -1 }),
		"bathrooms":   but(listing.Bathrooms, func(p *listing.Property) { p.Bathrooms.V = -5 }),
		"living_area": but(listing.LivingArea, func(p *listing.Property) { p.LivingArea.V = 0 }),
		"latitude":    but(listing.Latitude, func(p *listing.Property) { p.Latitude.V = 91 }),
	} {
		_, err := writer.Create(t.Context(), f)
		var rule *database.RuleError
		if !errors.As(err, &rule) || rule.Column != want && rule.Column != "" {
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
	if _, err := writer.Create(t.Context(), everyField()); !errors.Is(err, database.ErrUnavailable) {
		t.Errorf("create: %v, want ErrUnavailable", err)
	}
}

// Of two patches that were made for the same state of a property one wins, and the other
// is told so: the second one's precondition is asked under the row's lock.
func TestPreconditionsAreAskedOneAfterTheOther(t *testing.T) {
	t.Parallel()
	db := migrated.New(t)
	writer := database.NewWriter(open(t, db.API, 2))
	created, err := writer.Create(t.Context(), everyField())
	if err != nil {
		t.Fatal(err)
	}
	id, watch := created.Property.ID, connect(t, db.Superuser)
	cheap := database.Fields{Columns: listing.ColumnSet(listing.Price)}
	unchanged := func(p listing.Property) bool { return p == created.Property }
	asked := make(chan struct{}, 1)
	second := make(chan error, 1)
	_, first := writer.Patch(t.Context(), id, cheap, func(p listing.Property) bool {
		go func() {
			_, err := writer.Patch(t.Context(), id, cheap, func(p listing.Property) bool {
				asked <- struct{}{}
				return unchanged(p)
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
				return unchanged(p)
			default:
			}
		}
		return unchanged(p)
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
	writable := map[string]listing.Column{
		"title": listing.Title, "description": listing.Description, "property_type": listing.PropertyType, "status": listing.Status,
		"price": listing.Price, "city": listing.City, "postal_code": listing.PostalCode, "bedrooms": listing.Bedrooms,
		"bathrooms": listing.Bathrooms, "living_area": listing.LivingArea, "latitude": listing.Latitude, "longitude": listing.Longitude,
	}
	stored := func(id int64) (columns map[string]string) { // as text, without the database's own
		t.Helper()
		err := conn.QueryRow(t.Context(), `select jsonb_object_agg(key, coalesce(value, 'null'))
			from properties, jsonb_each_text(to_jsonb(properties) - '{id, created_at, updated_at}'::text[]) where id = $1`, id).Scan(&columns)
		if err != nil {
			t.Fatal(err)
		}
		return columns
	}
	create := func(f database.Fields) int64 {
		t.Helper()
		created, err := writer.Create(t.Context(), f)
		if err != nil {
			t.Fatal(err)
		}
		return created.Property.ID
	}
	least := database.Fields{
		Columns: listing.ColumnSet(listing.Title, listing.PropertyType, listing.Price, listing.City),
		Values:  listing.Property{Title: "a", Row: listing.Row{PropertyType: "b", Price: 1, City: "c"}},
	}
	all := stored(create(everyField()))
	for name := range all {
		id := create(least)
		before := stored(id)
		if all[name] == before[name] {
			t.Errorf("create ignored %s", name)
		}
		_, err := writer.Patch(t.Context(), id, database.Fields{
			Columns: listing.ColumnSet(writable[name]), Values: everyField().Values,
		}, nil)
		if err != nil {
			t.Fatal(err)
		}
		want := maps.Clone(before)
		want[name] = all[name]
		if got := stored(id); !maps.Equal(got, want) {
			t.Errorf("patch of %s: %v, want %v", name, got, want)
		}
	}
}
