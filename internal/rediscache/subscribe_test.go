package rediscache_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/freshlist/freshlist/internal/rediscache"
	"github.com/freshlist/freshlist/internal/rediskey"
	"github.com/freshlist/freshlist/internal/redistest"
)

// connections is an ear that tells when it begins to hear.
type connections chan bool

func (h connections) Connected(connected bool) { h <- connected }
func (h connections) Purge(string)             {}
func (h connections) Clear()                   {}

// A quiet subscription is answered by a pong every second; that must not keep it
// from ending.
func TestFollowEndsWithItsContext(t *testing.T) {
	t.Parallel()
	s := redistest.New(t)
	ctx, cancel := context.WithCancel(t.Context())
	ear, done := make(connections, 2), make(chan struct{})
	go func() {
		defer close(done)
		rediscache.Subscribe(ctx, s.Client, rediskey.Space{Prefix: s.Prefix, Partitions: 1}, ear)
	}()
	<-ear
	cancel()
	select {
	case <-done:
	case <-time.After(patience):
		t.Error("Follow goes on")
	}
}

// One call is one message, whatever it purges, and each subscriber is told of all its queries. An
// invalidator of before sends one for each of them, and is understood too.
func TestQueriesOfACallAreOneMessage(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	messages := w.subscribe()
	ctx, cancel := context.WithCancel(w.ctx)
	heard := &told{purged: map[string]int{}}
	var following sync.WaitGroup
	following.Go(func() { rediscache.Subscribe(ctx, w.rdb, w.space, heard) })
	t.Cleanup(func() { cancel(); following.Wait() })
	heard.await(t, "the subscription", func() bool { return heard.connected })
	want := func(doing string, queries ...string) {
		t.Helper()
		clear(messages.names)
		messages.next(w)
		for _, q := range queries {
			if !messages.names[q] {
				t.Errorf("%s: the first message names %v, want %s too", doing, messages.names, q)
			}
			heard.await(t, doing+": "+q, func() bool { return heard.purged[q] > 0 })
		}
		heard.mu.Lock()
		clear(heard.purged)
		heard.mu.Unlock()
	}
	some := []string{"properties/1", "properties/2", "properties?city=A,B"}
	store := func() {
		for _, q := range some {
			w.store(q, q)
		}
		w.registrations()
	}

	store()
	w.daemon.Deliveries()
	w.must(w.daemon.Purge(w.ctx, some, ignore))
	want("purge", some...)
	if n := w.daemon.Deliveries(); n != 2 {
		t.Errorf("%d messages to subscribers, want one to each of two", n)
	}
	w.must(w.daemon.Purge(w.ctx, nil, ignore))
	if n := w.daemon.Deliveries(); n != 0 {
		t.Errorf("%d messages to subscribers of no purge", n)
	}
	store()
	_, err := rediscache.NewRemover(w.rdb, w.space).Remove(w.ctx, some...)
	w.must(err)
	want("remove", some...)
	gone, err := w.daemon.Cleanup(w.ctx, 10)
	w.must(err)
	if slices.Sort(gone); !slices.Equal(gone, some) {
		t.Errorf("cleanup took %q, want %q", gone, some)
	}
	want("cleanup", some...)
	w.must(w.rdb.Publish(w.ctx, w.space.Purged(0), some[0]).Err())
	want("a name alone", some[0])
}
