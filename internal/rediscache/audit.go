package rediscache

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/freshlist/freshlist/internal/pgsnapshot"
	"github.com/freshlist/freshlist/internal/rediskey"
)

// Auditor reads what is cached, to hold it against the database. It changes
// nothing, and is safe for concurrent use.
type Auditor struct {
	servers servers
	space   rediskey.Space
}

// NewAuditor returns an Auditor of one deployment's cache.
func NewAuditor(rdb redis.UniversalClient, space rediskey.Space) *Auditor {
	return &Auditor{serversOf(rdb, space), space}
}

// Sample returns up to n live queries, each once, drawn at random by Redis. The
// partitions, between which a hash divides the queries, give one in turn; turn says
// which begins.
func (a *Auditor) Sample(ctx context.Context, n, turn int) ([]string, error) {
	drawn := make([]*redis.StringSliceCmd, a.space.Partitions)
	err := a.servers.each(ctx, func(ctx context.Context, at server) error {
		pipe := at.rdb.Pipeline()
		for _, p := range at.partitions {
			drawn[p] = pipe.ZRandMember(ctx, a.space.Live(p), n)
		}
		_, err := pipe.Exec(ctx)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("draw from the live queries: %w", err)
	}
	var queries []string
	for i := range n {
		for p := range drawn {
			if q := drawn[(turn+p)%len(drawn)].Val(); i < len(q) && len(queries) < n {
				queries = append(queries, q[i])
			}
		}
	}
	return queries, nil
}

// Walk calls visit with the live queries, some hundreds at a time, in the order of
// their registration. What is registered meanwhile is left out.
func (a *Auditor) Walk(ctx context.Context, visit func([]string) error) error {
	for p := range a.space.Partitions {
		rdb, err := a.servers.of(ctx, p)
		if err != nil {
			return err
		}
		last, err := rdb.ZRangeArgsWithScores(ctx, redis.ZRangeArgs{Key: a.space.Live(p), Start: 0, Stop: 0, Rev: true}).Result()
		if err != nil {
			return failed("look for the last live query", err)
		}
		if len(last) == 0 {
			continue
		}
		err = a.servers.walk(ctx, p, 0, int64(last[0].Score), scansPerCall, func(found []redis.Z) error { return visit(queriesOf(found)) })
		if err != nil {
			return err
		}
	}
	return nil
}

// QueryState is what Redis holds of one query at one instant.
type QueryState struct {
	Now    int64 // by Redis' clock, just before; microseconds since 1970
	Beat   *Beat // nil: no living one, so that nobody is served the values
	Values []Value
}

// Value is one cached value. Two are equal (==) if they are the same bytes of the
// same fill.
type Value struct {
	Name string // "queryset", or the format of a view
	raw  string
}

// QuerysetName is the name of the value that is no view.
const QuerysetName = "queryset"

// Head returns what the value begins with; the zero Stamp if that is unreadable.
func (v Value) Head() ValueHead {
	s, _ := parseHead(v.raw)
	return s
}

// Queryset returns the encoded rows of a queryset with a readable head.
func (v Value) Queryset() []byte { return []byte(v.raw[headWidth:]) }

// View reads a view with a readable head.
func (v Value) View() (View, error) { return parseView(v.raw) }

// Plain returns the view's Gzip decompressed.
func (v View) Plain() ([]byte, error) {
	r, err := gzip.NewReader(strings.NewReader(v.Gzip))
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if _, err := io.Copy(&b, r); err != nil {
		return nil, err
	}
	return b.Bytes(), r.Close()
}

// Read reads everything that is cached of a query, and the beat, by one MGET.
func (a *Auditor) Read(ctx context.Context, query string) (QueryState, error) {
	names, keys := entryValues(a.space, query)
	keys = append(keys, a.space.Beat(a.space.Partition(query)))
	rdb, err := a.servers.of(ctx, a.space.Partition(query))
	if err != nil {
		return QueryState{}, err
	}
	pipe := rdb.Pipeline()
	before := pipe.Time(ctx)
	found := pipe.MGet(ctx, keys...)
	after := pipe.Time(ctx)
	if _, err := pipe.Exec(ctx); err != nil {
		return QueryState{}, fmt.Errorf("read what is cached of %s: %w", query, err)
	}
	held := QueryState{Now: before.Val().UnixMicro(), Beat: validBeat(found.Val()[len(names)], after.Val())}
	for i, name := range names {
		if raw, ok := found.Val()[i].(string); ok {
			held.Values = append(held.Values, Value{Name: name, raw: raw})
		}
	}
	return held, nil
}

// Covers reports whether the applied snapshot sees all that snapshot, a pg_snapshot in its text
// form, sees. An unreadable one covers nothing and is covered by nothing.
func (b Beat) Covers(snapshot string) bool {
	return pgsnapshot.Covers(b.Applied, snapshot)
}
