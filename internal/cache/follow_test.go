package cache_test

import (
	"context"
	"testing"
	"time"

	"github.com/freshlist/freshlist/internal/cache"
	"github.com/freshlist/freshlist/internal/rediskey"
	"github.com/freshlist/freshlist/internal/redistest"
)

// hearing is an ear that tells when it begins to hear.
type hearing chan bool

func (h hearing) Hear(heard bool) { h <- heard }
func (h hearing) Purge(string)    {}
func (h hearing) Clear()          {}

// A quiet subscription is answered by a pong every second; that must not keep it
// from ending.
func TestFollowEndsWithItsContext(t *testing.T) {
	t.Parallel()
	s := redistest.New(t)
	ctx, cancel := context.WithCancel(t.Context())
	ear, done := make(hearing, 2), make(chan struct{})
	go func() {
		defer close(done)
		cache.Follow(ctx, s.Client, rediskey.Space{Prefix: s.Prefix, Partitions: 1}, ear)
	}()
	<-ear
	cancel()
	select {
	case <-done:
	case <-time.After(patience):
		t.Error("Follow goes on")
	}
}
