package cache

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// Sight is what one look at Redis showed. A View is there only if it is proved:
// the beat that was read with it is of its epoch.
type Sight struct {
	Beat    *Beat         // nil: there is no proof, nothing may be served or stored
	View    *View         // nil: miss
	Remains time.Duration // until the beat ends, as of a moment between the call and the look
}

// Look reads the view of a query, and the beat, by one MGET: read one after the
// other, either order can pair a value with a beat that does not prove it. What
// several callers want to see at the same time is read together.
func (r *Reader) Look(ctx context.Context, format, query string) (Sight, error) {
	sights, at, err := r.looks.read(ctx, r.space.Partition(query), r.space.View(format, query))
	if err != nil {
		return Sight{}, fmt.Errorf("read view: %w", err)
	}
	return sights[at], nil
}

// looks gathers into one exchange what several callers want to see while as many
// exchanges as there may be are under way: a system call and a command then serve
// many. Whoever comes alone waits for nobody. An exchange is closed before it is sent,
// so that no caller is shown anything older than its call.
type looks struct {
	slots chan struct{} // one for each exchange under way
	send  func(context.Context, []gathered) ([]Sight, error)

	mu   sync.Mutex
	open *exchange // takes in callers until it is sent; nil if there is none
}

// exchange is what is read together.
type exchange struct {
	views  []gathered
	places map[string]int // of a view's key among them
	sights []Sight        // set, like err, when done is closed
	err    error
	done   chan struct{}
}

// gathered is one view to be read, and its partition.
type gathered struct {
	partition int
	key       string
}

// mostViews is how many views one exchange reads: some hundred kilobytes.
const mostViews = 64

func newLooks(send func(context.Context, []gathered) ([]Sight, error)) *looks {
	return &looks{slots: make(chan struct{}, runtime.GOMAXPROCS(0)), send: send}
}

// read returns what an exchange shows, and the caller's place in it. Who opens an
// exchange sends it, even if its own context ends, for the sake of the others.
func (l *looks) read(ctx context.Context, partition int, key string) ([]Sight, int, error) {
	l.mu.Lock()
	x := l.open
	opens := x == nil
	if opens {
		x = &exchange{places: make(map[string]int), done: make(chan struct{})}
		l.open = x
	}
	at, known := x.places[key]
	if !known {
		at = len(x.views)
		x.views = append(x.views, gathered{partition, key})
		x.places[key] = at
	}
	if len(x.views) == mostViews {
		l.open = nil
	}
	l.mu.Unlock()

	if !opens {
		select {
		case <-ctx.Done():
			return nil, 0, ctx.Err()
		case <-x.done:
			return x.sights, at, x.err
		}
	}
	defer close(x.done)
	l.slots <- struct{}{}
	defer func() { <-l.slots }()
	l.mu.Lock()
	if l.open == x {
		l.open = nil
	}
	l.mu.Unlock()
	x.sights, x.err = l.send(context.WithoutCancel(ctx), x.views)
	return x.sights, at, x.err
}

// look reads views in one round trip: first Redis' clock, then those of each partition
// together with its beat.
func (r *Reader) look(ctx context.Context, views []gathered) ([]Sight, error) {
	pipe := r.rdb.Pipeline()
	now := pipe.Time(ctx)
	keys := make([][]string, r.space.Partitions)
	for _, v := range views {
		keys[v.partition] = append(keys[v.partition], v.key)
	}
	found := make([]*redis.SliceCmd, r.space.Partitions)
	for p := range keys {
		if len(keys[p]) > 0 {
			found[p] = pipe.MGet(ctx, append(keys[p], r.space.Beat(p))...)
		}
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, err
	}
	sights := make([]Sight, len(views))
	beats := make([]*Beat, r.space.Partitions)
	next := make([]int, r.space.Partitions)
	for p, cmd := range found {
		if cmd != nil {
			beats[p] = beatOf(cmd.Val()[len(keys[p])])
		}
	}
	for i, v := range views {
		value := found[v.partition].Val()[next[v.partition]]
		next[v.partition]++
		sights[i] = r.sight(value, beats[v.partition], now.Val())
	}
	return sights, nil
}

// sight judges the value of a view by a beat.
func (r *Reader) sight(value any, beat *Beat, now time.Time) Sight {
	if beat == nil {
		return Sight{}
	}
	s := Sight{Beat: beat, Remains: time.Duration(beat.Until-now.UnixMicro()) * time.Microsecond}
	text, _ := value.(string)
	if !r.proved(text, beat) {
		return s
	}
	if view, err := parseView(text); err == nil {
		s.View = &view
	}
	return s
}
