package rediscache

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// Whoever comes while all exchanges that there may be are under way takes part in the
// next one; nobody in one that has been sent.
func TestGather(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const took, most = time.Millisecond, 8
		type part struct {
			name string
			read time.Time
		}
		var mu sync.Mutex
		var sizes []int
		g := newCoalescer(1, most, time.Second, func(_ context.Context, parts []*part) error {
			mu.Lock()
			sizes = append(sizes, len(parts))
			mu.Unlock()
			for _, p := range parts {
				p.read = time.Now()
			}
			time.Sleep(took)
			return nil
		})
		var callers sync.WaitGroup
		call := func(name string, want time.Duration) {
			callers.Go(func() {
				called, p := time.Now(), &part{name: name}
				if err := g.do(t.Context(), p); err != nil {
					t.Errorf("%s: %v", name, err)
				}
				if p.read.Before(called) {
					t.Errorf("%s: was read %v before the call", name, called.Sub(p.read))
				}
				if waited := time.Since(called); waited != want {
					t.Errorf("%s: waited %v, want %v", name, waited, want)
				}
			})
			synctest.Wait()
		}
		call("alone", took)
		time.Sleep(took / 2)
		for i := range most {
			call(fmt.Sprint("gathered ", i), took/2+took)
		}
		call("one too many", took/2+2*took)
		callers.Wait()
		if fmt.Sprint(sizes) != fmt.Sprint([]int{1, most, 1}) {
			t.Errorf("exchanges of %d, want 1, %d, 1", sizes, most)
		}
	})
}

// While Redis stands still nobody waits longer than one exchange may, twice.
func TestGatherDoesNotQueueUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const budget, most = 100 * time.Millisecond, 4
		g := newCoalescer(1, most, budget, func(context.Context, []int) error {
			time.Sleep(budget)
			return context.DeadlineExceeded
		})
		var callers sync.WaitGroup
		for n := range 20 * most {
			callers.Go(func() {
				called := time.Now()
				if err := g.do(t.Context(), n); err == nil {
					t.Error("done, want an error")
				}
				if waited := time.Since(called); waited > 2*budget {
					t.Errorf("waited %v, want at most %v", waited, 2*budget)
				}
			})
		}
		callers.Wait()
	})
}
