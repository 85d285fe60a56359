package cache

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"
)

// Sight is what one look at Redis showed. A View is there only if it is proved:
// the beat that was read with it is of its epoch.
type Sight struct {
	Beat *Beat         // nil: there is no proof, nothing may be served or stored
	View *View         // nil: miss
	Age  time.Duration // of the beat, as of the look or a moment after it
}

// look is what one caller wants to see.
type look struct {
	partition int
	key       string // of the view
	sight     Sight  // set when the exchange has ended
}

// mostLooks is how many views are read at once: some hundred kilobytes.
const mostLooks = 64

// Look reads the view of a query, and the beat, by one MGET: read one after the
// other, either order can pair a value with a beat that does not prove it.
func (r *Reader) Look(ctx context.Context, format, query string) (Sight, error) {
	l := &look{partition: r.space.Partition(query), key: r.space.View(format, query)}
	if err := r.looks.do(ctx, l); err != nil {
		return Sight{}, failed("read view", err)
	}
	return l.sight, nil
}

// look reads what several callers want to see in one round trip: the views of each
// partition, none of them twice, with its beat, and then Redis' clock.
func (r *Reader) look(ctx context.Context, looks []*look) error {
	pipe := r.rdb.Pipeline()
	reads := make([]viewsRead, r.space.Partitions)
	places := make([]int, len(looks))
	for i, l := range looks {
		places[i] = reads[l.partition].add(l.key)
	}
	for p := range reads {
		if keys := reads[p].keys; len(keys) > 0 {
			reads[p].found = pipe.MGet(ctx, append(keys, r.space.Beat(p))...)
		}
	}
	now := pipe.Time(ctx)
	if _, err := pipe.Exec(ctx); err != nil {
		return err
	}
	for i, l := range looks {
		values := reads[l.partition].found.Val()
		l.sight = r.sight(values[places[i]], values[len(values)-1], now.Val())
	}
	return nil
}

// viewsRead is one MGET of the views of a partition.
type viewsRead struct {
	keys  []string
	found *redis.SliceCmd
}

// add returns the place of a key among the keys.
func (v *viewsRead) add(key string) int {
	for i := range v.keys {
		if v.keys[i] == key {
			return i
		}
	}
	v.keys = append(v.keys, key)
	return len(v.keys) - 1
}

// sight judges the value of a view by that of a beat.
func (r *Reader) sight(value, proof any, now time.Time) Sight {
	beat := living(proof, now)
	if beat == nil {
		return Sight{}
	}
	s := Sight{Beat: beat, Age: beat.age(now)}
	text, _ := value.(string)
	if !r.proved(text, beat) {
		return s
	}
	if view, err := parseView(text); err == nil {
		s.View = &view
	}
	return s
}
