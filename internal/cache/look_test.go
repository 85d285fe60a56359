package cache

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// Whoever comes while all exchanges that there may be are under way is served by the
// next one; nobody by one that has been sent.
func TestLooksAreGathered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const took = time.Millisecond
		var mu sync.Mutex
		var sent [][]gathered
		l := newLooks(func(_ context.Context, views []gathered) ([]Sight, error) {
			mu.Lock()
			sent = append(sent, views)
			mu.Unlock()
			begun := time.Now()
			time.Sleep(took)
			sights := make([]Sight, len(views))
			for i := range sights {
				sights[i].Remains = time.Until(begun) // stands for what is seen at that time
			}
			return sights, nil
		})
		l.slots = make(chan struct{}, 1)
		var callers sync.WaitGroup
		call := func(key string, want time.Duration) {
			callers.Go(func() {
				called := time.Now()
				sights, at, err := l.read(t.Context(), 0, key)
				if err != nil {
					t.Errorf("read %s: %v", key, err)
				} else if seen := time.Now().Add(sights[at].Remains); seen.Before(called) {
					t.Errorf("%s: shown what was read %v before the call", key, called.Sub(seen))
				}
				if waited := time.Since(called); waited != want {
					t.Errorf("%s: answered after %v, want %v", key, waited, want)
				}
			})
			synctest.Wait()
		}
		call("first", took)
		time.Sleep(took / 2)
		call("second", took+took/2)
		for i := range mostViews - 1 {
			call("second", took+took/2)
			call(fmt.Sprint("other ", i), took+took/2)
		}
		call("one too many", 2*took+took/2)
		callers.Wait()
		if len(sent) != 3 || len(sent[0]) != 1 || len(sent[1]) != mostViews {
			t.Errorf("%d exchanges, want one of one view, one of %d and one of the rest", len(sent), mostViews)
		}
	})
}
