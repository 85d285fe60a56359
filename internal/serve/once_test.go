package serve_test

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// kept returns how many keys of requests are kept.
func (a *api) kept() (n int) {
	a.t.Helper()
	if err := a.database.QueryRow(a.t.Context(), "select count(*) from freshlist.idempotency_keys").Scan(&n); err != nil {
		a.t.Fatal(err)
	}
	return n
}

// A request with a key that is sent again is answered as it was, and creates nothing.
func TestIdempotencyKey(t *testing.T) {
	t.Parallel()
	a := start(t)
	before := a.count()
	first := a.write("POST", "/v1/properties", house, "Idempotency-Key: a-key")
	a.exec("update properties set price = 1, title = 'changed' where id = (select max(id) from properties)")
	for _, key := range []string{"a-key", `"a-key"`} {
		again := a.write("POST", "/v1/properties", house, "Idempotency-Key: "+key)
		if again.StatusCode != 201 || again.body != first.body {
			t.Errorf("again: %d %s, want %s", again.StatusCode, again.body, first.body)
		}
		for _, name := range []string{"Location", "ETag", "Consistency-Token", "Content-Type"} {
			if got, want := again.Header.Get(name), first.Header.Get(name); got != want || want == "" {
				t.Errorf("%s is %q again, was %q", name, got, want)
			}
		}
	}
	other := a.write("POST", "/v1/properties", strings.Replace(house, "A house", "Another", 1), "Idempotency-Key: a-key")
	if names := other.problem(t, http.StatusUnprocessableEntity); !slices.Equal(names, []string{"Idempotency-Key"}) {
		t.Errorf("another body: faults of %q", names)
	}
	if r := a.write("POST", "/v1/properties", house, "Idempotency-Key: b-key"); r.StatusCode != 201 || r.Header.Get("Location") == first.Header.Get("Location") {
		t.Errorf("another key: %d %s", r.StatusCode, r.Header.Get("Location"))
	}
	if n := a.count() - before; n != 2 {
		t.Errorf("%d rows were created, want 2", n)
	}

	// What creates nothing keeps nothing.
	a.write("POST", "/v1/properties", `{"title": "x"}`, "Idempotency-Key: c-key").problem(t, 422)
	a.exec("alter table properties add check (price <> 13)")
	a.write("POST", "/v1/properties", strings.Replace(house, "350000.50", "13", 1), "Idempotency-Key: c-key").problem(t, 422)
	if r := a.write("POST", "/v1/properties", house, "Idempotency-Key: c-key"); r.StatusCode != 201 {
		t.Errorf("after a failure: %d %s", r.StatusCode, r.body)
	}
	for _, key := range []string{"", "two words", "ä", strings.Repeat("x", 256), `"x`, `a"b`, `""`} {
		if names := a.write("POST", "/v1/properties", house, "Idempotency-Key: "+key).problem(t, 400); !slices.Equal(names, []string{"Idempotency-Key"}) {
			t.Errorf("key %q: faults of %q", key, names)
		}
	}
	a.write("POST", "/v1/properties", house, "Idempotency-Key: d", "Idempotency-Key: e").problem(t, 400)
	a.request("POST", "/v1/properties", house, "Idempotency-Key: a-key", "Content-Type: application/json").problem(t, 401)
}

// A key counts for a day. Then it is removed, with some others as old.
func TestOldIdempotencyKeys(t *testing.T) {
	t.Parallel()
	a := start(t)
	first := a.write("POST", "/v1/properties", house, "Idempotency-Key: a-key")
	a.exec(`insert into freshlist.idempotency_keys ("table", key, request, xid, location, body, created_at)
		select 'properties', 'old ' || i, 'x', '7', 'x', 'x', now() - interval '25 hours' from generate_series(1, 30) i`)
	a.exec("update freshlist.idempotency_keys set created_at = now() - interval '23 hours 59 minutes' where key = 'a-key'")
	if r := a.write("POST", "/v1/properties", house, "Idempotency-Key: a-key"); r.body != first.body {
		t.Errorf("within a day: %s", r.body)
	}
	a.exec("update freshlist.idempotency_keys set created_at = now() - interval '24 hours 1 minute' where key = 'a-key'")
	second := a.write("POST", "/v1/properties", strings.Replace(house, "A house", "Another", 1), "Idempotency-Key: a-key")
	if second.StatusCode != 201 || second.Header.Get("Location") == first.Header.Get("Location") {
		t.Errorf("after a day: %d %s", second.StatusCode, second.body)
	}
	for range 3 {
		a.write("POST", "/v1/properties", house)                           // removes nothing
		a.write("POST", "/v1/properties", house, "Idempotency-Key: b-key") // once
		a.exec("delete from freshlist.idempotency_keys where key = 'b-key'")
	}
	if n := a.kept(); n != 1 {
		t.Errorf("%d keys are kept, want the one that counts", n)
	}
}

// While a request is being answered, another one with its key is told so, and neither waits for the
// other; of very many at once one creates a row, and all that are not told to wait get its answer.
func TestIdempotencyKeyInProgress(t *testing.T) {
	t.Parallel()
	a := start(t)
	before := a.count()
	tx, err := a.database.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "lock table properties in exclusive mode"); err != nil {
		t.Fatal(err)
	}
	var first answer
	var running sync.WaitGroup
	running.Go(func() { first = a.write("POST", "/v1/properties", house, "Idempotency-Key: a-key") })
	const waits = "select count(*) from pg_locks where not granted and relation = 'properties'::regclass"
	for n := 0; n == 0; time.Sleep(time.Millisecond) {
		if err := tx.QueryRow(t.Context(), waits).Scan(&n); err != nil {
			t.Fatal(err)
		}
	}
	a.write("POST", "/v1/properties", house, "Idempotency-Key: a-key").problem(t, http.StatusConflict)
	if err := tx.Commit(t.Context()); err != nil && err != pgx.ErrTxClosed {
		t.Fatal(err)
	}
	running.Wait()
	if first.StatusCode != 201 {
		t.Errorf("the first: %d %s", first.StatusCode, first.body)
	}

	var mu sync.Mutex
	bodies := map[string]int{}
	for range 12 {
		running.Go(func() {
			r := a.write("POST", "/v1/properties", house, "Idempotency-Key: b-key")
			mu.Lock()
			defer mu.Unlock()
			if r.StatusCode != http.StatusConflict {
				bodies[r.body]++
			}
		})
	}
	running.Wait()
	if n := a.count() - before; n != 2 || len(bodies) != 1 {
		t.Errorf("%d rows, want 2; answers %v, want one", n, bodies)
	}
}

// Without the table, or the right to use it, a request with a key is refused with the remedy, and
// one without is answered as ever.
func TestNoIdempotencyKeys(t *testing.T) {
	t.Parallel()
	for _, sql := range []string{
		"drop table freshlist.idempotency_keys", "revoke all on freshlist.idempotency_keys from freshlist_api", "drop schema freshlist cascade",
	} {
		a := start(t)
		a.exec(sql)
		r := a.write("POST", "/v1/properties", house, "Idempotency-Key: a-key")
		r.problem(t, http.StatusServiceUnavailable)
		if !strings.Contains(r.body, "invalidator install") {
			t.Errorf("%s: %s, want the remedy", sql, r.body)
		}
		if r := a.write("POST", "/v1/properties", house); r.StatusCode != 201 {
			t.Errorf("%s, without a key: %d %s", sql, r.StatusCode, r.body)
		}
	}
}
