package serve_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/freshlist/freshlist/internal/cachestate"
	"github.com/freshlist/freshlist/internal/serve"
	"github.com/freshlist/freshlist/internal/serve/readthrough"
)

// standing is Reads whose answers may be kept for an hour, as long as what they were
// proved of stands.
type standing struct {
	origin *readthrough.Origin
	stands atomic.Bool
}

func (s *standing) Get(context.Context, readthrough.Request) (readthrough.Answer, error) {
	return readthrough.Answer{
		Status: 200, CacheStatus: "freshlist-view; hit", Until: time.Now().Add(time.Hour), Origin: s.origin,
	}, nil
}

func (s *standing) StillValid(o *readthrough.Origin, _ time.Time) bool {
	return o == s.origin && s.stands.Load()
}

// The cache in the process is under the same rule as Redis: what was proved of a database
// that is no longer this process's is not served, however long its proof would last.
func TestTheProcessServesOnlyWhatStands(t *testing.T) {
	t.Parallel()
	reads := &standing{origin: new(readthrough.Origin)}
	a := start(t, func(o *serve.Options) {
		o.Reads, o.L1MaxBytes, o.L1Life = reads, 1<<20, time.Hour
		o.Examine = func(context.Context) (cachestate.Reason, string) { return cachestate.OK, "" }
	})
	a.server.PurgeSubscriber().Connected(true)
	inProcess := func() bool {
		return strings.HasPrefix(a.get("/v1/properties").Header.Get("Cache-Status"), "freshlist-l1; hit")
	}
	reads.stands.Store(true)
	inProcess()
	if !inProcess() {
		t.Fatal("no hit in the process")
	}
	reads.stands.Store(false)
	if inProcess() {
		t.Error("a hit of what does not stand")
	}
	reads.stands.Store(true)
	if !inProcess() {
		t.Error("no hit once it stands again")
	}
}
