package rediscache

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/freshlist/freshlist/internal/lsn"
	"github.com/freshlist/freshlist/internal/rediskey"
)

// Limits bound what one Reader stores.
type Limits struct {
	Lease    time.Duration // how long a fill may take; after that another may try
	View     time.Duration // upper limit of a view's life; jittered downwards by up to a tenth
	Queryset time.Duration // likewise of a queryset's
	Live     int           // most live queries of the whole deployment
	Standbys bool          // reads may be made of standbys: Acquire asks for the floor
}

// Reader is the API's side of the cache. It is safe for concurrent use.
type Reader struct {
	servers servers
	space   rediskey.Space
	build   string
	limits  Limits
	scripts readerScripts
	lookups coalescers[*lookup]
	calls   coalescers[*redis.Cmd]
}

type readerScripts struct{ acquire, fill, storeView, release, moment, keepMoment script }

// NewReader returns a Reader for values of one build (16 hexadecimal digits).
func NewReader(rdb redis.UniversalClient, space rediskey.Space, build string, limits Limits) *Reader {
	r := &Reader{servers: serversOf(rdb, space), space: space, build: build, limits: limits, scripts: readerScripts{
		acquire: plain("acquire"), fill: plain("fill"), storeView: plain("store_view"), release: plain("release"),
		moment: plain("moment"), keepMoment: plain("keep_moment"),
	}}
	r.lookups.create = func(rdb *redis.Client) *coalescer[*lookup] {
		return newCoalescer(runtime.GOMAXPROCS(0), maxLookups, rdb.Options().ReadTimeout, func(ctx context.Context, lookups []*lookup) error {
			return r.lookup(ctx, rdb, lookups)
		})
	}
	r.calls.create = func(rdb *redis.Client) *coalescer[*redis.Cmd] {
		return newCoalescer(1, mostCalls, rdb.Options().ReadTimeout, func(ctx context.Context, cmds []*redis.Cmd) error {
			return r.call(ctx, rdb, cmds)
		})
	}
	return r
}

// proved reports whether a value is of this build and of the beat's generation.
func (r *Reader) proved(value string, beat *Beat) bool {
	head, err := parseHead(value)
	return err == nil && head.Build == r.build && head.Generation == beat.Generation
}

// Partitions returns how many partitions the reader looks for values in.
func (r *Reader) Partitions() int { return r.space.Partitions }

// Partition returns the partition of a query, from 0.
func (r *Reader) Partition(query string) int { return r.space.Partition(query) }

// Lease is the right to fill one query once.
type Lease struct {
	Partition int // of the query

	Floor *Floor // what a read of a standby must show; nil: none may be made

	query      string
	token      Token
	generation string // of the partition
}

// Floor is what a standby must have replayed before it is read, with the beat that was found with it. What
// such a read shows is not older than the beat's noted time: all that was visible then had been drained
// before, and the floor is behind what has been drained.
type Floor struct {
	LSN  lsn.LSN
	Beat Beat
	Age  time.Duration // of the beat, as of the call
}

// Stored is a queryset that was found in Redis.
type Stored struct {
	Beat  Beat
	Age   time.Duration // of the beat, as of the call
	Value string        // its encoding
	head  ValueHead
}

// Acquire takes the lease of a query that is about to be read, and registers the
// query; or, if its queryset is in Redis and proved, returns that instead. The
// error is ErrHeld, ErrFull or ErrNoFence, or Redis' own. If a queryset is there
// but no beat proves it, both results are nil and so is the error. With ErrFull comes a Lease that is
// none, and has no more than the floor.
func (r *Reader) Acquire(ctx context.Context, query string) (*Lease, *Stored, error) {
	p := r.space.Partition(query)
	lease := &Lease{Partition: p, query: query, token: NewToken()}
	cmd := r.evaluate(ctx, p, r.scripts.acquire,
		[]string{r.space.Fence(p), r.space.Live(p), r.space.Windows(p), r.space.Lease(query), r.space.Queryset(query), r.space.Beat(p)},
		string(lease.token), r.limits.Lease.Milliseconds(), query, max(1, r.limits.Live/r.space.Partitions), magic+r.build+" ", flag(r.limits.Standbys))
	if stored, ok := r.found(cmd); ok {
		return nil, stored, nil
	}
	values, err := r.scripts.acquire.answer(cmd)
	if errors.Is(err, ErrFull) {
		all, _ := cmd.Slice()
		return &Lease{Partition: p, query: query, Floor: readFloor(all[1:])}, nil, err
	}
	if err != nil {
		return nil, nil, err
	}
	lease.generation, _ = values[0].(string)
	lease.Floor = readFloor(values[1:])
	return lease, nil, nil
}

// readFloor reads what acquire says for reads of standbys; nil without a floor or a valid beat.
func readFloor(values []any) *Floor {
	if len(values) != 4 {
		return nil
	}
	text, _ := values[0].(string)
	floor, err := lsn.ParsePadded(text)
	now := clockOf(values[2], values[3])
	beat := validBeat(values[1], now)
	if err != nil || beat == nil {
		return nil
	}
	return &Floor{LSN: floor, Beat: *beat, Age: beat.age(now)}
}

// clockOf reads what the command TIME answers in a script.
func clockOf(seconds, micros any) time.Time {
	s, _ := number(seconds)
	us, _ := number(micros)
	return time.UnixMicro(s*1e6 + us)
}

// flag spells a truth for a script.
func flag(set bool) string {
	if set {
		return "1"
	}
	return ""
}

// found reads the answer FOUND of acquire.
func (r *Reader) found(cmd *redis.Cmd) (*Stored, bool) {
	values, err := cmd.Slice()
	if err != nil || len(values) != 5 || values[0] != "FOUND" {
		return nil, false
	}
	now := clockOf(values[3], values[4])
	beat := validBeat(values[2], now)
	value, _ := values[1].(string)
	if beat == nil || !r.proved(value, beat) {
		return nil, true
	}
	head, _ := parseHead(value)
	return &Stored{Beat: *beat, Age: beat.age(now), Value: value[headWidth:], head: head}, true
}

// Entry is what a fill stores.
type Entry struct {
	Origin   string // what the database returned with the rows: epoch, server start and database
	Window   string // how far the page reaches; "" = wide
	Queryset []byte
	Format   string
	View     View
}

// Fill stores what was read under the lease, if nothing has made it void since:
// ErrLeaseLost or ErrEpoch say what did. Either way the lease is gone.
func (r *Reader) Fill(ctx context.Context, l *Lease, e Entry) error {
	p := r.space.Partition(l.query)
	head := ValueHead{Build: r.build, Generation: l.generation, Token: l.token}
	keys := []string{r.space.Fence(p), r.space.Live(p), r.space.Windows(p), r.space.Lease(l.query),
		r.space.Queryset(l.query), r.space.View(e.Format, l.query)}
	for _, other := range rediskey.Formats {
		if other != e.Format {
			keys = append(keys, r.space.View(other, l.query))
		}
	}
	return r.run(ctx, p, r.scripts.fill, keys,
		string(l.token), l.generation, e.Origin, l.query, e.Window,
		append([]byte(head.text()), e.Queryset...), jitter(r.limits.Queryset),
		e.View.encode(head), jitter(r.limits.View))
}

// StoreView stores a view rendered from a queryset that Acquire returned, if that
// queryset is still there: ErrLeaseLost if it is not.
func (r *Reader) StoreView(ctx context.Context, query string, from *Stored, format string, v View) error {
	return r.run(ctx, r.space.Partition(query), r.scripts.storeView,
		[]string{r.space.Queryset(query), r.space.View(format, query)},
		from.head.text(), v.encode(from.head), jitter(r.limits.View))
}

// Release gives a lease back unused.
func (r *Reader) Release(ctx context.Context, l *Lease) error {
	err := r.run(ctx, r.space.Partition(l.query), r.scripts.release, []string{r.space.Lease(l.query)}, string(l.token)+l.generation)
	if errors.Is(err, ErrLeaseLost) {
		return nil
	}
	return err
}

// mostCalls is how many scripts are called in one exchange.
const mostCalls = 16

// run evaluates a script that answers with its success only.
func (r *Reader) run(ctx context.Context, p int, s script, keys []string, args ...any) error {
	_, err := s.answer(r.evaluate(ctx, p, s, keys, args...))
	return err
}

// evaluate calls a script on a partition by its hash, together with what others call, loading
// it if Redis does not know it.
func (r *Reader) evaluate(ctx context.Context, p int, s script, keys []string, args ...any) *redis.Cmd {
	rdb, err := r.servers.of(ctx, p)
	if err != nil {
		cmd := redis.NewCmd(ctx)
		cmd.SetErr(err)
		return cmd
	}
	words := make([]any, 0, 3+len(keys)+len(args))
	words = append(words, "evalsha", s.Hash(), len(keys))
	for _, key := range keys {
		words = append(words, key)
	}
	cmd := redis.NewCmd(ctx, append(words, args...)...)
	cmd.SetFirstKeyPos(3)
	if err := r.calls.to(rdb).do(ctx, cmd); err != nil {
		cmd = redis.NewCmd(ctx)
		cmd.SetErr(err)
	} else if redis.HasErrorPrefix(cmd.Err(), "NOSCRIPT") {
		return s.Eval(ctx, rdb, keys, args...)
	}
	return cmd
}

// call sends the calls of several to one server. What a call itself answers stays with it.
func (r *Reader) call(ctx context.Context, rdb *redis.Client, cmds []*redis.Cmd) error {
	pipe := rdb.Pipeline()
	for _, cmd := range cmds {
		_ = pipe.Process(ctx, cmd)
	}
	exec(ctx, pipe)
	return nil
}

// jitter returns a life in milliseconds, up to a tenth shorter than d, so that
// entries filled together do not expire together.
func jitter(d time.Duration) string {
	ms := d.Milliseconds()
	return strconv.FormatInt(max(1, ms-rand.Int64N(ms/10+1)), 10)
}
