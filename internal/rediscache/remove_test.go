package rediscache_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/freshlist/freshlist/internal/rediscache"
)

// What is removed is gone, with its lease, and in-process caches are told.
func TestRemove(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 3)
	remover := rediscache.NewRemover(w.rdb, w.space)
	w.beat()
	w.store("properties/1", "one")
	w.store("properties/2", "two")
	messages := w.rdb.Subscribe(w.ctx, w.space.Purged(w.space.Partition("properties/1")))
	defer messages.Close()
	_, err := messages.Receive(w.ctx)
	w.must(err)

	filling := w.acquire("properties/3")
	n, err := remover.Remove(w.ctx, "properties/1", "properties/3", "properties/4")
	w.must(err)
	if n != 2 {
		t.Errorf("%d removed, want the one cached and the one being filled", n)
	}
	w.wantBody("properties/1", "")
	w.wantBody("properties/2", "two")
	w.want(w.fill(filling, "of before"), rediscache.ErrLeaseLost)
	message, err := messages.ReceiveMessage(w.ctx)
	w.must(err)
	if message.Payload != "properties/1" {
		t.Errorf("published: %q", message.Payload)
	}
	w.store("properties/1", "one again")
	w.wantBody("properties/1", "one again")
	if gone, err := w.daemon.Cleanup(w.ctx, 1000); err != nil || !slices.Equal(gone, []string{"properties/3"}) {
		t.Errorf("cleanup: %q, %v", gone, err)
	}
}

func TestRemoveAll(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 3)
	remover := rediscache.NewRemover(w.rdb, w.space)
	none, err := rediscache.NewRemover(w.rdb, newWorld(t, 2).space).RemoveAll(w.ctx, func(string) bool { return true }, nil)
	if err != nil || none != 0 {
		t.Errorf("of an empty cache: %d, %v", none, err)
	}
	limits := w.limits
	limits.Live = 10_000
	w.reader = rediscache.NewReader(w.rdb, w.space, build, limits)
	w.beat()
	const rows, homes = 1800, 7 // more than a page of each partition
	for i := range rows {
		w.store(fmt.Sprint("properties/", i), "row")
	}
	for i := range homes {
		w.store(fmt.Sprint("homes/", i), "home")
	}
	last := 0
	n, err := remover.RemoveAll(w.ctx, func(q string) bool { return strings.HasPrefix(q, "properties/") }, func(done, of int) {
		if last = done; done > of || of != rows+homes {
			t.Errorf("%d of %d", done, of)
		}
	})
	if err != nil || n != rows || last != rows+homes {
		t.Errorf("%d removed of %d looked at, %v", n, last, err)
	}
	w.beat() // the first one may have ended meanwhile
	w.wantBody("properties/0", "")
	w.wantBody("homes/0", "home")
}

// However often somebody removes what and when, the invalidator finds Redis where it has left
// it: nothing is lost to it, and the next leader keeps the cache.
func TestRemoveBesideTheInvalidator(t *testing.T) {
	t.Parallel()
	seed := [2]uint64{rand.Uint64(), rand.Uint64()}
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed[0], seed[1]))
	w := newWorld(t, 2)
	remover := rediscache.NewRemover(w.rdb, w.space)
	queries := []string{"properties/1", "properties/2", "properties/3", "properties?city=FOLSOM", "homes", "homes/summary"}
	leases := map[string]*rediscache.Lease{}
	some := func() []string {
		n := random.IntN(3)
		random.Shuffle(len(queries), func(i, j int) { queries[i], queries[j] = queries[j], queries[i] })
		return queries[:n]
	}
	term := int64(1)
	for range 600 {
		switch q := queries[random.IntN(len(queries))]; random.IntN(8) {
		case 0:
			lease, _, err := w.reader.Acquire(w.ctx, q)
			if err != nil && !errors.Is(err, rediscache.ErrHeld) {
				t.Fatal(err)
			}
			if lease != nil {
				leases[q] = lease
			}
		case 1:
			if lease := leases[q]; lease != nil {
				if err := w.fill(lease, q); err != nil && !errors.Is(err, rediscache.ErrLeaseLost) {
					t.Fatal(err)
				}
				delete(leases, q)
			}
		case 2:
			w.registrations()
		case 3:
			w.must(w.daemon.Purge(w.ctx, some(), ignore))
		case 4:
			_, err := w.daemon.Cleanup(w.ctx, 3)
			w.must(err)
		case 5:
			stored := w.daemon.Fences()
			w.daemon.BatchStored(w.daemon.InUse())
			if random.IntN(3) == 0 {
				term++
				w.leader.Term = term
				_, err := w.daemon.TakeOver(w.ctx, w.leader, stored)
				w.must(err)
			}
		default:
			removed := slices.Clone(some())
			_, err := remover.Remove(w.ctx, removed...)
			w.must(err)
			w.beat()
			for _, q := range removed {
				w.wantBody(q, "")
			}
		}
		w.beat()
		for p := range w.space.Partitions {
			counted, err := w.rdb.HGet(w.ctx, w.space.Fence(p), "live").Int64()
			w.must(err)
			if n := w.rdb.ZCard(w.ctx, w.space.Live(p)).Val(); n != counted {
				t.Fatalf("the fence counts %d live queries of %d", counted, n)
			}
		}
	}
}

// What is known of a query: what is cached, since when and for how long, and its window.
func TestReadHeld(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 3)
	read := func() rediscache.Held {
		t.Helper()
		held, err := rediscache.ReadHeld(w.ctx, w.rdb, w.space, query)
		w.must(err)
		return held
	}
	if held := read(); held.Live || held.Beat != nil || held.Generation != w.daemon.Fence(w.space.Partition(query)).Generation || len(held.Values) > 0 || held.Lease != 0 {
		t.Errorf("before anything: %+v", held)
	}
	w.beat()
	before := time.Now().Truncate(time.Millisecond)
	lease := w.acquire(query)
	if held := read(); !held.Live || held.Beat == nil || held.Window != "" || held.Lease <= 0 || held.Lease > w.limits.Lease {
		t.Errorf("while it is filled: %+v", held)
	}
	w.must(w.fill(lease, "body"))
	held := read()
	if !held.Live || held.Window != "1/1/2/2|,4|*" || held.Lease != 0 || len(held.Values) != 2 {
		t.Fatalf("when it is filled: %+v", held)
	}
	for i, name := range []string{rediscache.QuerysetName, "json"} {
		v := held.Values[i]
		since, known := v.Since(time.Now())
		if v.Name != name || v.Bytes == 0 || v.TTL <= 0 || !v.Valid || !known || since.Before(before) || since.After(time.Now()) {
			t.Errorf("%+v, since %v %v", v, since, known)
		}
	}
	w.leader.Term, w.leader.Epoch = 2, rediscache.NewEpoch()
	w.must(w.begin(w.daemon, w.leader))
	if held := read(); held.Live || held.Beat != nil || len(held.Values) != 2 || held.Values[0].Valid {
		t.Errorf("in a new epoch: %+v", held)
	}
}

func TestEachRegistration(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 3)
	w.store(query, "page")
	w.acquire("properties/1")
	seen := map[string]string{}
	w.must(rediscache.EachRegistration(w.ctx, w.rdb, w.space, func(some []rediscache.Registration) error {
		for _, r := range some {
			seen[r.Query] = r.Window
		}
		return nil
	}))
	if len(seen) != 2 || seen[query] != "1/1/2/2|,4|*" || seen["properties/1"] != "" {
		t.Errorf("%v", seen)
	}
}
