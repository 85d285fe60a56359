package rediscache_test

import (
	"context"
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
