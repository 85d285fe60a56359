package rediscache

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/freshlist/freshlist/internal/rediskey"
)

// How much one call of a script may do, so that none holds Redis up for more
// than some milliseconds.
const (
	registrationsPerCall = 500
	purgesPerCall        = 100
	callsPerPipeline     = 16
	scansPerCall         = 500
)

// Leader names one leadership of one invalidator.
type Leader struct {
	Term     int64  // higher than any before
	Epoch    string // the epoch of the marker in PostgreSQL
	Server   string // which start of PostgreSQL this is; any word that a restart changes
	Database string // which database: "<system identifier>/<oid>"
}

// origin names whose data the cache shows, as the fence has it: what was read elsewhere,
// even in a copy of the database that was made with its marker, is not stored.
func (l Leader) origin() string { return l.Server + " " + l.Database }

// Fence is how far one partition has come, as it is stored in PostgreSQL with the position.
// A takeover compares it with what Redis holds. Batch is the last batch that touched the
// partition; every batch touches partition 0.
type Fence struct{ Term, Seq, Batch int64 }

// Purger is the invalidator's side of the cache during one leadership. It is not safe for
// concurrent use. One loop does everything from reading the clock to the beat: otherwise a
// beat could certify changes that are drained but not yet purged.
//
// After any error but ErrLate and ErrFuture its view of Redis may be wrong. It must not be
// used further: take over again. One Purger serves all leaderships of a process, so that it
// need not read again what it knows: see TakeOver.
type Purger struct {
	servers   servers
	space     rediskey.Space
	bound     time.Duration
	leader    Leader
	batch     int64 // the last batch whose end stands in PostgreSQL
	batchOpen bool  // something of the batch after it has been purged
	asked     bool  // a purge has been sent, and not all of its answers have come
	keepAlive func(context.Context) error
	parts     []progress
	unknown   bool // what is in Redis is not, or not only, what this Purger has written and read
	scripts   purgerScripts
}

// progress is what the Purger knows of one partition.
type progress struct {
	term      int64  // of this Purger's last leadership there
	epoch     string // likewise
	seq       int64
	batch     int64  // the last batch that touched it
	lastSeen  string // the last registration number seen
	scannedTo string // the registration number that cleanup goes on from
	ahead     int64  // by how much its server's clock was ahead of partition 0's, when both were last read, us
}

type purgerScripts struct{ takeover, epoch, registrations, purge, cleanup, beat script }

// NewPurger returns a Daemon that has still to take over or to begin an epoch.
// bound is B: how long after its noted time a beat ends. pulse is called between
// the calls of what takes many, so that the leader can show that it is alive; its
// error ends the work.
func NewPurger(rdb redis.UniversalClient, space rediskey.Space, bound time.Duration, keepAlive func(context.Context) error) *Purger {
	return &Purger{
		servers: serversOf(rdb, space), space: space, bound: bound, keepAlive: keepAlive,
		parts: make([]progress, space.Partitions), unknown: true,
		scripts: purgerScripts{
			takeover: plain("takeover"), epoch: plain("epoch"),
			registrations: checked("registrations"), purge: checked("purge"), cleanup: checked("cleanup"), beat: checked("beat"),
		},
	}
}

// HighestTerm returns the highest term in any fence, 0 if there is no fence. A
// new leader's term must be above it.
func (d *Purger) HighestTerm(ctx context.Context) (int64, error) {
	var highest int64
	for p := range d.parts {
		rdb, err := d.servers.of(ctx, p)
		if err != nil {
			return 0, err
		}
		term, err := rdb.HGet(ctx, d.space.Fence(p), "term").Int64()
		if err != nil && !errors.Is(err, redis.Nil) && !isWrongType(err) {
			return 0, failed(fmt.Sprintf("read term of partition %d", p), err)
		}
		highest = max(highest, term)
	}
	return highest, nil
}

// TakeOver makes the fences the leader's and keeps what is cached, if every partition is
// where stored says that the last leader left it. Otherwise it returns ErrStateLost (begin
// an epoch) or ErrFenced (another process leads).
//
// unchanged reports that Redis is also where this Purger left it: Registrations goes on
// behind the last one seen. Otherwise Registrations returns all of them again, and the
// caller must forget those it knows.
func (d *Purger) TakeOver(ctx context.Context, l Leader, stored []Fence) (unchanged bool, err error) {
	if len(stored) != len(d.parts) {
		return false, fmt.Errorf("%d partitions are stored, %d configured: %w", len(stored), len(d.parts), ErrStateLost)
	}
	if len(stored) > 0 {
		d.batch = stored[0].Batch
	}
	return d.begin(ctx, l, d.scripts.takeover, func(p int) ([]string, []any) {
		s := stored[p]
		return []string{d.space.Fence(p), d.space.Live(p)}, []any{l.Term, l.Epoch, s.Term, s.Seq, s.Batch, l.origin(), d.batch}
	})
}

// BeginEpoch voids all that is cached. The epoch must be in PostgreSQL's marker already,
// with a position of the same transaction. A change between the two steps is then drained;
// in the other order it would be lost.
func (d *Purger) BeginEpoch(ctx context.Context, l Leader) error {
	d.batch, d.unknown = 0, true
	_, err := d.begin(ctx, l, d.scripts.epoch, func(p int) ([]string, []any) {
		return []string{d.space.Fence(p), d.space.Live(p), d.space.Windows(p), d.space.Beat(p)},
			[]any{l.Term, l.Epoch, l.origin(), d.servers.publish(), d.space.Purged(p)}
	})
	return err
}

// begin runs takeover or epoch in every partition and adopts what they answer.
func (d *Purger) begin(ctx context.Context, l Leader, s script, call func(p int) ([]string, []any)) (unchanged bool, err error) {
	if err := d.servers.each(ctx, func(ctx context.Context, at server) error { return d.load(ctx, at.rdb) }); err != nil {
		return false, err
	}
	d.leader, d.batchOpen, d.asked = l, false, false
	for p := range d.parts {
		keys, args := call(p)
		rdb, err := d.servers.of(ctx, p)
		if err != nil {
			return false, err
		}
		values, err := s.run(ctx, rdb, keys, args...)
		if err == nil {
			err = d.setProgress(p, values)
		}
		if err != nil {
			return false, fmt.Errorf("partition %d: %w", p, err)
		}
	}
	if d.unknown {
		for p := range d.parts {
			d.parts[p].lastSeen, d.parts[p].scannedTo = "0", "0"
		}
	}
	unchanged, d.unknown = !d.unknown, false
	return unchanged, nil
}

// Forget has the next TakeOver report that Redis is not where this Purger left it: what was
// known of the registrations is not known any more.
func (d *Purger) Forget() { d.unknown = true }

// setProgress stores what takeover or epoch answered: seq and batch, and the term before. If
// that term, the epoch and seq are those that this Purger last had, nobody has led meanwhile
// and Redis has lost nothing. The term is needed: a Redis that went back may have reached
// the same seq again, under another leader and with other queries.
func (d *Purger) setProgress(p int, values []any) error {
	var answered [3]int64 // seq, batch, term before; of a new epoch only seq
	for i, v := range values[:min(len(values), len(answered))] {
		var err error
		if answered[i], err = number(v); err != nil {
			return fmt.Errorf("read answer %d: %w", i, err)
		}
	}
	part := &d.parts[p]
	if part.term != answered[2] || part.epoch != d.leader.Epoch || part.seq != answered[0] {
		d.unknown = true // until all partitions have been entered, whatever interrupts that
	}
	part.term, part.epoch, part.seq, part.batch = d.leader.Term, d.leader.Epoch, answered[0], answered[1]
	return nil
}

func number(v any) (int64, error) {
	text, _ := v.(string)
	return strconv.ParseInt(text, 10, 64)
}

// Fences returns how far each partition has come, to be stored with the position. Call
// BatchStored when that has succeeded.
func (d *Purger) Fences() []Fence {
	fences := make([]Fence, len(d.parts))
	for p, part := range d.parts {
		fences[p] = Fence{Term: d.leader.Term, Seq: part.seq, Batch: part.batch}
	}
	fences[0].Batch = d.batch
	if d.batchOpen {
		fences[0].Batch++
	}
	return fences
}

// Answered reports whether every purge has been answered. If not, a partition may have been
// touched by a batch of which Positions knows nothing, and to store them would have the next
// takeover find Redis elsewhere: ErrStateLost.
func (d *Purger) Answered() bool { return !d.asked }

// BatchStored ends the batch: PostgreSQL has stored the position behind all that has been
// purged. What is purged from now on belongs to the next batch.
func (d *Purger) BatchStored() {
	if d.batchOpen {
		d.batch, d.batchOpen = d.batch+1, false
	}
}

// Clock is what Redis says of itself before a round.
type Clock struct {
	Noted  int64  // microseconds since 1970, by the clock of the server that holds partition 0
	Policy string // maxmemory-policy; of several servers the one that is least fit
}

// ReadClock reads the time that a beat will certify, and the eviction policy. Of a cluster it
// reads the clocks of all masters: the beat of a partition bears the time of its own server.
func (d *Purger) ReadClock(ctx context.Context) (Clock, error) {
	noted := make([]int64, len(d.parts))
	policies := make([]string, len(d.parts))
	err := d.servers.each(ctx, func(ctx context.Context, at server) error {
		pipe := at.rdb.Pipeline()
		now := pipe.Time(ctx)
		info := pipe.Info(ctx, "memory")
		if _, err := pipe.Exec(ctx); err != nil {
			return failed("note the time", err)
		}
		for _, p := range at.partitions {
			noted[p], policies[p] = now.Val().UnixMicro(), infoField(info.Val(), "maxmemory_policy")
		}
		return nil
	})
	if err != nil {
		return Clock{}, err
	}
	for p := range d.parts {
		d.parts[p].ahead = noted[p] - noted[0]
	}
	return Clock{Noted: noted[0], Policy: leastFit(policies)}, nil
}

// leastFit returns a policy that must not be, if there is one, or one with a warning, or any.
func leastFit(policies []string) string {
	worst := policies[0]
	for _, policy := range policies {
		warning, err := CheckPolicy(policy)
		if err != nil {
			return policy
		}
		if warning != "" {
			worst = policy
		}
	}
	return worst
}

// infoField returns one field of the answer of INFO, "" if it is not there.
func infoField(info, name string) string {
	_, rest, found := strings.Cut(info, name+":")
	if !found {
		return ""
	}
	value, _, _ := strings.Cut(rest, "\r\n")
	return value
}

// Registration is one query that has become live, or is being filled anew.
type Registration struct {
	Number int64
	Query  string
	Window string
}

// Registrations calls see with every registration since the last call, or since
// the leadership began.
func (d *Purger) Registrations(ctx context.Context, see func(Registration)) error {
	for {
		more, err := d.exchange(ctx, nil, see)
		if err != nil || !more {
			return err
		}
		if err := d.keepAlive(ctx); err != nil {
			return err
		}
	}
}

// SomeRegistrations returns new registrations, in one round trip: of very many, the last
// are left for the next call, and more is set. What comes with an error is told only once too.
func (d *Purger) SomeRegistrations(ctx context.Context) (some []Registration, more bool, err error) {
	more, err = d.exchange(ctx, nil, func(r Registration) { some = append(some, r) })
	return some, more, err
}

// exchange sends some purges, and behind them, unless see is nil, asks each partition
// for new registrations, all in one round trip. more tells that there are others.
func (d *Purger) exchange(ctx context.Context, purges []purgeCall, see func(Registration)) (more bool, err error) {
	seqs := make([]int64, len(d.parts))
	for p := range d.parts {
		seqs[p] = d.parts[p].seq
	}
	d.asked = d.asked || len(purges) > 0
	sent := make([]call, 0, len(purges)+len(d.parts))
	for _, purge := range purges {
		sent = append(sent, d.purgeScript(ctx, purge, seqs[purge.partition]))
		seqs[purge.partition]++ // each call raises it by one
	}
	if see != nil {
		for p := range d.parts {
			keys, args := d.checkArgs(p, seqs[p], []string{d.space.Windows(p)}, []any{d.parts[p].lastSeen, registrationsPerCall})
			sent = append(sent, newCall(ctx, p, d.scripts.registrations, keys, args))
		}
	}
	// Redis writes last to whom it first had something to say: with a PING in front, the names
	// which the purges publish reach the caches in API processes before the answer comes back.
	execErr := d.send(ctx, sent, len(purges) > 0)
	for i, call := range sent {
		if i < len(purges) {
			err = d.readPurgeAnswer(purges[i], call.cmd)
		} else {
			var some bool
			some, err = d.readRegistrations(i-len(purges), call.cmd, see)
			more = more || some
		}
		if err != nil {
			return false, err
		}
	}
	if execErr != nil {
		return false, failed("purge and read registrations", execErr)
	}
	d.asked = false
	return more, nil
}

// readRegistrations takes in the new registrations of one partition.
func (d *Purger) readRegistrations(p int, cmd *redis.Cmd, see func(Registration)) (more bool, err error) {
	values, err := d.answer(p, d.scripts.registrations, cmd)
	if err != nil {
		return false, err
	}
	for i := 1; i+2 < len(values); i += 3 {
		query, _ := values[i].(string)
		number, _ := values[i+1].(string)
		window, _ := values[i+2].(string)
		n, err := strconv.ParseInt(number, 10, 64)
		if err != nil {
			return false, fmt.Errorf("read registration number of %q: %w", query, err)
		}
		d.parts[p].lastSeen = number
		see(Registration{Number: n, Query: query, Window: window})
	}
	return (len(values)-1)/3 == registrationsPerCall, nil
}

// run calls a checked script of one partition and adopts the seq it answers.
func (d *Purger) run(ctx context.Context, s script, p int, keys []string, args ...any) ([]any, error) {
	keys, args = d.checkArgs(p, d.parts[p].seq, keys, args)
	rdb, err := d.servers.of(ctx, p)
	if err != nil {
		return nil, err
	}
	return d.answer(p, s, s.Run(ctx, rdb, keys, args...))
}

// answer returns what a checked script answered, and adopts its seq.
func (d *Purger) answer(p int, s script, cmd *redis.Cmd) ([]any, error) {
	values, err := s.answer(cmd)
	if err != nil {
		return nil, fmt.Errorf("partition %d: %w", p, err)
	}
	return values, d.setSeq(p, values)
}

// checkArgs puts the arguments of check.lua in front of a script's own.
func (d *Purger) checkArgs(p int, seq int64, keys []string, args []any) ([]string, []any) {
	return append([]string{d.space.Fence(p), d.space.Live(p)}, keys...),
		append([]any{d.leader.Term, d.leader.Epoch, seq}, args...)
}

func (d *Purger) setSeq(p int, values []any) error {
	if len(values) == 0 {
		return nil
	}
	seq, err := number(values[0])
	if err != nil {
		return fmt.Errorf("partition %d: read seq: %w", p, err)
	}
	d.parts[p].seq = seq
	return nil
}

// Live returns how many queries are live in all partitions.
func (d *Purger) Live(ctx context.Context) (int64, error) {
	var n int64
	for p := range d.parts {
		rdb, err := d.servers.of(ctx, p)
		if err != nil {
			return 0, err
		}
		c, err := rdb.ZCard(ctx, d.space.Live(p)).Result()
		if err != nil {
			return 0, fmt.Errorf("count live queries: %w", err)
		}
		n += c
	}
	return n, nil
}
