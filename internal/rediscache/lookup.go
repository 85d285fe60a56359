package rediscache

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"
)

// LookupResult is what one lookup found. View is set only if the beat that was read with
// it is of the same generation.
type LookupResult struct {
	Beat *Beat         // nil: there is no valid beat; nothing may be served or stored
	View *View         // nil: miss
	Age  time.Duration // of the beat, at the lookup or a moment after it
}

// lookup is the request of one caller.
type lookup struct {
	partition int
	key       string       // of the view
	result    LookupResult // set when the exchange has ended
	err       error        // why this partition has not answered, though the server has
}

// maxLookups is how many views are read at once: some hundred kilobytes.
const maxLookups = 64

// Lookup reads the view of a query, and the beat, by one MGET: read one after the
// other, either order can pair a value with a beat that does not prove it.
func (r *Reader) Lookup(ctx context.Context, format, query string) (LookupResult, error) {
	l := &lookup{partition: r.space.Partition(query), key: r.space.View(format, query)}
	rdb, err := r.servers.of(ctx, l.partition)
	if err != nil {
		return LookupResult{}, err
	}
	if err := r.lookups.to(rdb).do(ctx, l); err != nil {
		return LookupResult{}, failed("read view", err)
	}
	if l.err != nil {
		return LookupResult{}, failed("read view", l.err)
	}
	return l.result, nil
}

// lookup reads the views of several callers from one server in one round trip: those of each
// partition, none twice, with the partition's beat, and then the server's clock.
func (r *Reader) lookup(ctx context.Context, rdb *redis.Client, lookups []*lookup) error {
	pipe := rdb.Pipeline()
	reads := make([]viewsLookup, r.space.Partitions)
	places := make([]int, len(lookups))
	for i, l := range lookups {
		places[i] = reads[l.partition].add(l.key)
	}
	for p := range reads {
		if keys := reads[p].keys; len(keys) > 0 {
			reads[p].found = pipe.MGet(ctx, append(keys, r.space.Beat(p))...)
		}
	}
	now := pipe.Time(ctx)
	exec(ctx, pipe)
	if err := now.Err(); err != nil {
		return err
	}
	for i, l := range lookups {
		found := reads[l.partition].found
		if l.err = found.Err(); l.err != nil { // a slot that has moved, or is about to
			continue
		}
		values := found.Val()
		l.result = r.result(values[places[i]], values[len(values)-1], now.Val())
	}
	return nil
}

// viewsLookup is one MGET of the views of a partition.
type viewsLookup struct {
	keys  []string
	found *redis.SliceCmd
}

// add returns the place of a key among the keys.
func (v *viewsLookup) add(key string) int {
	for i := range v.keys {
		if v.keys[i] == key {
			return i
		}
	}
	v.keys = append(v.keys, key)
	return len(v.keys) - 1
}

// result compares the value of a view with the value of a beat.
func (r *Reader) result(value, beatValue any, now time.Time) LookupResult {
	beat := validBeat(beatValue, now)
	if beat == nil {
		return LookupResult{}
	}
	s := LookupResult{Beat: beat, Age: beat.age(now)}
	text, _ := value.(string)
	if !r.proved(text, beat) {
		return s
	}
	if view, err := parseView(text); err == nil {
		s.View = &view
	}
	return s
}
