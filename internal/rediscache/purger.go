package rediscache

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/freshlist/freshlist/internal/lsn"
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
	Term     int64   // higher than any before
	Epoch    string  // the epoch of the marker in PostgreSQL
	Server   string  // which start of PostgreSQL this is; any word that a restart changes
	Database string  // which database: "<system identifier>/<oid>"
	Floor    lsn.LSN // end of PostgreSQL's log, taken later than the positions of this leader
}

// origin names whose data the cache shows, as the fence has it: what was read elsewhere,
// even in a copy of the database that was made with its marker, is not stored.
func (l Leader) origin() string { return l.Epoch + " " + l.Server + " " + l.Database }

// Fence is how far one partition has come, as it is stored in PostgreSQL with the position.
// A takeover compares it with what Redis holds. Generation names what is cached in the
// partition: an epoch begins one in each, and a partition that has lost something gets a new
// one alone. Batch is the last batch that was applied.
type Fence struct {
	Generation       string
	Term, Seq, Batch int64
}

// Purger is the invalidator's side of the cache during one leadership. It is not safe for
// concurrent use, but for Enter. One loop does everything from reading the clock to the beat:
// otherwise a beat could certify changes that are drained but not yet purged.
//
// Each partition is a unit of its own. One that does not answer, or is not where it was left,
// is dark from then on: nothing more is sent to it, and it gets no beat. The others go on. An
// error is returned only if another process leads, or if no partition is left. After it, or to
// have a dark partition back, take over again. One Purger serves all leaderships of a process,
// so that it need not read again what it knows: see TakeOver.
type Purger struct {
	servers   servers
	space     rediskey.Space
	bound     time.Duration
	leader    Leader
	keepAlive func(context.Context) error
	parts     []progress
	scripts   purgerScripts
	floor     lsn.LSN      // see RaiseFloor
	stride    func() int64 // by how much the first seq of an entry is above all before it, at least 1

	deliveries map[*redis.Client]int // messages to subscribers, by server: see Deliveries
	process    string                // names this Purger in the marks of ReadAhead
	marks      int                   // how many there have been
}

// progress is what the Purger knows of one partition.
type progress struct {
	dark       error // why nothing is sent to it; nil: it is in use
	unknown    bool  // what is in it is not, or not only, what this Purger has written and read
	term       int64 // of this Purger's last leadership there
	generation string
	seq        int64
	asked      int64   // the highest seq that anything this Purger has sent may have led to
	batch      int64   // the last batch whose end stands in PostgreSQL
	touched    bool    // the batch after it has been applied, or a part of it
	lastSeen   string  // the last registration number seen
	mark       string  // that ReadAhead has left there; lastSeen counts while it is there. "": none
	scannedTo  string  // the registration number that cleanup goes on from
	timed      bool    // its server's clock has been read since it came into use
	ahead      int64   // by how much that clock was ahead of the one that ReadClock returned, us
	floor      lsn.LSN // the last one that has been noted there; 0: not known
}

type purgerScripts struct{ takeover, epoch, registrations, purge, cleanup, beat, readAhead script }

// NewPurger returns a Purger that has still to take over or to begin an epoch.
// bound is B: how long after its noted time a beat ends. keepAlive is called between
// the calls of what takes many, so that the leader can show that it is alive; its
// error ends the work.
func NewPurger(rdb redis.UniversalClient, space rediskey.Space, bound time.Duration, keepAlive func(context.Context) error) *Purger {
	d := &Purger{
		servers: serversOf(rdb, space), space: space, bound: bound, keepAlive: keepAlive,
		parts: make([]progress, space.Partitions), deliveries: make(map[*redis.Client]int), process: NewEpoch(), stride: func() int64 { return 1 + rand.Int64N(mostStride) },
		scripts: purgerScripts{
			takeover: plain("takeover"), epoch: plain("epoch"),
			registrations: checked("registrations"), purge: checked("purge"), cleanup: checked("cleanup"), beat: checked("beat"),
			readAhead: plain("read_ahead"),
		},
	}
	d.Forget()
	return d
}

// Forget has the next TakeOver report that Redis is not where this Purger left it: what was
// known of the registrations is not known any more.
func (d *Purger) Forget() {
	for p := range d.parts {
		d.parts[p].unknown, d.parts[p].mark = true, ""
	}
}

// darken takes a partition out of use. The error is not nil if the work must end: another
// process leads, the caller gives up, or no partition is left.
func (d *Purger) darken(ctx context.Context, p int, why error) error {
	why = fmt.Errorf("partition %d: %w", p, why)
	d.parts[p].dark, d.parts[p].timed = why, false
	if errors.Is(why, ErrFenced) || ctx.Err() != nil || len(d.InUse()) == 0 {
		return why
	}
	return nil
}

// InUse returns the partitions that are in use.
func (d *Purger) InUse() []int {
	in := make([]int, 0, len(d.parts))
	for p := range d.parts {
		if d.parts[p].dark == nil {
			in = append(in, p)
		}
	}
	return in
}

// stillInUse returns those of some partitions that are in use.
func (d *Purger) stillInUse(some []int) []int {
	return slices.DeleteFunc(slices.Clone(some), func(p int) bool { return d.parts[p].dark != nil })
}

// limit bounds one exchange with the servers of a cluster: one that does not answer must not keep
// the beats of the others from coming in time, nor the leader's session from being used. What a
// single server may take, its client says.
func (d *Purger) limit(ctx context.Context) (context.Context, context.CancelFunc) {
	if d.servers.cluster == nil {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, max(d.bound/4, leastLimit))
}

// leastLimit is enough for a server that is well, on a busy machine.
const leastLimit = 50 * time.Millisecond

// Dark returns why a partition is not in use, nil if it is.
func (d *Purger) Dark(p int) error { return d.parts[p].dark }

// AnyDark reports whether a partition is not in use.
func (d *Purger) AnyDark() bool { return len(d.InUse()) < len(d.parts) }

// HighestTerm returns the highest term in any fence, and of which database that is; 0 if there is no fence. A
// new leader's term must be above it. Partitions that do not answer are left out, unless none does: a term
// in them is met when they are entered.
func (d *Purger) HighestTerm(ctx context.Context) (highest int64, of string, err error) {
	terms, origins, errs := make([]int64, len(d.parts)), make([]string, len(d.parts)), make([]error, len(d.parts))
	d.servers.eachPartition(func(p int) {
		rdb, err := d.servers.of(ctx, p)
		if err != nil {
			errs[p] = err
			return
		}
		fence, err := rdb.HMGet(ctx, d.space.Fence(p), "term", "origin").Result()
		switch {
		case err == nil:
			terms[p], _ = number(fence[0])
			origins[p], _ = fence[1].(string)
		case !isWrongType(err):
			errs[p] = failed(fmt.Sprintf("read term of partition %d", p), err)
		}
	})
	for p, term := range terms {
		if term > highest {
			highest, of = term, origins[p][strings.LastIndex(origins[p], " ")+1:]
		}
	}
	return highest, of, unlessSome(errs)
}

// SameCluster reports whether two databases, as a Leader names them, are of one cluster, or copies of one.
func SameCluster(a, b string) bool {
	one, _, _ := strings.Cut(a, "/")
	other, _, _ := strings.Cut(b, "/")
	return one == other
}

// unlessSome returns the first error if there is no nil among them.
func unlessSome(errs []error) error {
	if slices.Contains(errs, nil) {
		return nil
	}
	return errs[0]
}

// Entered is what a partition has answered to a takeover, or to the beginning of a generation.
type Entered struct {
	stored  Fence
	answers []any
	err     error
}

// mark returns the mark of ReadAhead that was there, "" if none.
func (e Entered) mark() string {
	if len(e.answers) < 5 {
		return ""
	}
	mark, _, _ := strings.Cut(fmt.Sprint(e.answers[4]), " ")
	return mark
}

// Err returns why the partition was not entered: ErrStateLost (a new generation of it is due),
// ErrFenced (another process leads), or what kept it from an answer.
func (e Entered) Err() error { return e.err }

// mostStride leaves room for some hundred million entries: the scripts count exactly up to 10^14.
const mostStride = 1 << 20

// FirstSeq returns the seq with which the partition is to be entered next. It is another one for each
// call, and above all that this Purger may have led to, answered or not. It is chosen at random, since
// a term may come twice, if PostgreSQL and Redis are both put back.
func (d *Purger) FirstSeq(p int) int64 {
	part := &d.parts[p]
	part.asked += d.stride()
	return part.asked
}

// Enter makes a partition's fence the leader's and keeps what is cached there, if it is where
// stored says that the last leader left it. again says that it may be the leader itself who has
// been there already, in the same term; then a living beat of another database is an error, too.
// first is what FirstSeq has returned for this very call. It changes nothing of the Purger, and may be called
// while that is in use: Adopt takes in what it returns. What it has returned may be thrown away.
func (d *Purger) Enter(ctx context.Context, p int, l Leader, stored Fence, first int64, again bool) Entered {
	others := l.Term
	if again {
		others++
		rdb, err := d.servers.of(ctx, p)
		if err == nil {
			err = d.servers.checkOtherDatabase(ctx, rdb, p, l.Database)
		}
		if err != nil {
			return Entered{stored: stored, err: err}
		}
	}
	return d.enter(ctx, p, stored, d.scripts.takeover, []string{d.space.Fence(p), d.space.Live(p)},
		[]any{l.Term, stored.Generation, stored.Term, stored.Seq, stored.Batch, l.origin(), others, first, l.Floor.Padded()})
}

// Begin begins a generation of a partition: whatever is cached there is void. The generation
// must be in PostgreSQL's marker already, with a position of the same transaction. A change
// between the two steps is then drained; in the other order it would be lost. No generation may
// be begun twice: values of it could be there already, and not be registered any more.
func (d *Purger) Begin(ctx context.Context, p int, l Leader, generation string) Entered {
	return d.enter(ctx, p, Fence{Generation: generation}, d.scripts.epoch,
		[]string{d.space.Fence(p), d.space.Live(p), d.space.Windows(p), d.space.Beat(p)},
		[]any{l.Term, generation, l.origin(), d.servers.publish(), d.space.Purged(p), l.Floor.Padded()})
}

func (d *Purger) enter(ctx context.Context, p int, stored Fence, s script, keys []string, args []any) Entered {
	e := Entered{stored: stored}
	rdb, err := d.servers.of(ctx, p)
	if err != nil {
		e.err = err
		return e
	}
	e.answers, e.err = s.run(ctx, rdb, keys, args...)
	return e
}

// Adopt takes in what entering a partition has returned. If that was an error, the partition is
// dark, else in use. unchanged reports that what the caller knows of it stays right: it is where this
// Purger has left it, so that the registrations go on behind the last one seen, or it was not
// entered. Otherwise all registrations come again, and the caller must forget those it knows.
func (d *Purger) Adopt(p int, l Leader, e Entered) (unchanged bool) {
	d.leader = l
	part := &d.parts[p]
	part.dark, part.timed, part.floor = nil, false, 0
	var answered [4]int64 // seq, batch, and term and seq before; of a new generation seq alone
	err := e.err
	for i, v := range e.answers[:min(len(e.answers), len(answered))] {
		var failed error
		answered[i], failed = number(v)
		err = cmp.Or(err, failed)
	}
	if err != nil {
		part.dark = fmt.Errorf("partition %d: %w", p, err)
		return true
	}
	// If term before, generation and seq are those that this Purger last had, nobody has led
	// meanwhile and Redis has lost nothing: each entry begins with a seq that has not been before in
	// its term. So one whose answer was lost, or thrown away, has changed seq for good. The term is
	// needed: a Redis that went back may have reached the same seq again, under another leader and
	// with other queries.
	unchanged = !part.unknown && part.term == answered[2] && part.generation == e.stored.Generation && part.seq == answered[3]
	// Or it has read ahead, and its last mark is there: see read_ahead.lua.
	unchanged = unchanged || part.mark != "" && part.mark == e.mark()
	if !unchanged {
		part.lastSeen, part.scannedTo = "0", "0"
	}
	part.term, part.generation, part.seq = l.Term, e.stored.Generation, answered[0]
	part.unknown, part.mark = false, ""
	// A batch that goes on is the one that has been begun: it ends when the position is stored.
	part.batch, part.touched = e.stored.Batch, answered[1] != e.stored.Batch
	return unchanged
}

// TakeOver enters every partition of which stored says where the last leader left it. It
// returns those of which the caller must forget what it knows, as of Adopt, also with an error;
// partitions that could not be entered are dark. The error is ErrStateLost if that is the answer of all that
// answer (begin an epoch), or if there are others than those stored; ErrFenced (another process
// leads), if it is one's; and if none answers, why.
func (d *Purger) TakeOver(ctx context.Context, l Leader, stored []Fence) (changed []int, err error) {
	if len(stored) != len(d.parts) {
		return nil, fmt.Errorf("%d partitions are stored, %d configured: %w", len(stored), len(d.parts), ErrStateLost)
	}
	return d.enterAll(l, func(p int) Entered { return d.Enter(ctx, p, l, stored[p], d.FirstSeq(p), false) })
}

// BeginEpoch begins the generations of an epoch, one in each partition: see Begin. Partitions
// that do not answer are dark, unless none does.
func (d *Purger) BeginEpoch(ctx context.Context, l Leader, generations []string) error {
	_, err := d.enterAll(l, func(p int) Entered { return d.Begin(ctx, p, l, generations[p]) })
	return err
}

// enterAll enters all partitions and adopts what they answer.
func (d *Purger) enterAll(l Leader, enter func(p int) Entered) (changed []int, err error) {
	d.floor = l.Floor
	entries := make([]Entered, len(d.parts))
	d.servers.eachPartition(func(p int) { entries[p] = enter(p) })
	var lost error
	errs := make([]error, len(entries))
	for p, e := range entries {
		if !d.Adopt(p, l, e) {
			changed = append(changed, p)
		}
		errs[p] = d.parts[p].dark
		switch {
		case errors.Is(e.err, ErrFenced):
			return changed, errs[p]
		case errors.Is(e.err, ErrStateLost):
			lost = cmp.Or(lost, errs[p])
		}
	}
	if len(d.InUse()) == 0 && lost != nil {
		return changed, lost
	}
	return changed, unlessSome(errs)
}

func number(v any) (int64, error) {
	text, _ := v.(string)
	return strconv.ParseInt(text, 10, 64)
}

// Fence returns how far a partition in use has come, to be stored with the position. Call
// BatchStored when that has succeeded.
func (d *Purger) Fence(p int) Fence {
	part := &d.parts[p]
	f := Fence{Generation: part.generation, Term: d.leader.Term, Seq: part.seq, Batch: part.batch}
	if part.touched {
		f.Batch++
	}
	return f
}

// LastBatch returns the number of the last batch that has been applied.
func (d *Purger) LastBatch() (last int64) {
	for _, p := range d.InUse() {
		last = max(last, d.Fence(p).Batch)
	}
	return last
}

// BatchStored ends the batch of some partitions: PostgreSQL has stored the position behind all that
// has been purged there, with their fences. What is purged from now on belongs to the next batch.
func (d *Purger) BatchStored(in []int) {
	for _, p := range in {
		if part := &d.parts[p]; part.touched {
			part.batch, part.touched = part.batch+1, false
		}
	}
}

// Clock is what Redis says of itself before a round.
type Clock struct {
	Noted  int64  // microseconds since 1970, by the clock of the server of the first partition in use
	Policy string // maxmemory-policy; of several servers the one that is least fit
}

// ReadClock reads the time that a beat will certify, and the eviction policy. Of a cluster it
// reads the clocks of all masters: the beat of a partition bears the time of its own server.
func (d *Purger) ReadClock(ctx context.Context) (Clock, error) {
	noted := make([]int64, len(d.parts))
	policies := make([]string, len(d.parts))
	err := d.eachServer(ctx, func(ctx context.Context, at server) error {
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
	used := d.InUse()
	clock := Clock{Noted: noted[used[0]], Policy: policies[used[0]]}
	for _, p := range used {
		d.parts[p].timed, d.parts[p].ahead = true, noted[p]-clock.Noted
		clock.Policy = lessFit(clock.Policy, policies[p])
	}
	return clock, nil
}

// eachServer calls do for every server that holds a partition in use, for all at the same time.
// The partitions of one that fails are dark.
func (d *Purger) eachServer(ctx context.Context, do func(ctx context.Context, at server) error) error {
	var all []server
	for _, p := range d.InUse() {
		rdb, err := d.servers.of(ctx, p)
		if err != nil {
			if err := d.darken(ctx, p, err); err != nil {
				return err
			}
			continue
		}
		all = addServer(all, rdb, p)
	}
	limited, cancel := d.limit(ctx)
	defer cancel()
	errs := make([]error, len(all))
	at := make([]int, len(all))
	for i := range at {
		at[i] = i
	}
	_ = atOnce(at, func(i int) error { errs[i] = do(limited, all[i]); return nil })
	var end error
	for i, err := range errs {
		for _, p := range all[i].partitions {
			if err != nil {
				end = cmp.Or(end, d.darken(ctx, p, err))
			}
		}
	}
	return end
}

// lessFit returns the policy of two that is less fit: one that must not be, or one with a
// warning.
func lessFit(a, b string) string {
	unfit := func(policy string) int {
		warning, err := CheckPolicy(policy)
		switch {
		case err != nil:
			return 2
		case warning != "":
			return 1
		}
		return 0
	}
	if unfit(b) > unfit(a) {
		return b
	}
	return a
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

// RaiseFloor has every partition told, before its registrations are read next, what a standby must have
// replayed of PostgreSQL's log to show all that has been drained. to is where the log ended when that had
// been read. So whoever reads a standby either has registered before those registrations are read, and is
// purged for the changes that the standby may lack, or has learned the floor.
func (d *Purger) RaiseFloor(to lsn.LSN) { d.floor = max(d.floor, to) }

// newFloor returns the floor for a partition in which it has not been noted yet, "" if it has.
func (d *Purger) newFloor(p int) string {
	if d.floor <= d.parts[p].floor {
		return ""
	}
	return d.floor.Padded()
}

// RegistrationsIn calls see with every registration in some partitions since the last call, or since
// the leadership began.
func (d *Purger) RegistrationsIn(ctx context.Context, in []int, see func(Registration)) error {
	for {
		more, err := d.exchange(ctx, nil, d.stillInUse(in), see)
		if err != nil || !more {
			return err
		}
		if err := d.keepAlive(ctx); err != nil {
			return err
		}
	}
}

// SomeRegistrations returns new registrations of some partitions, in one round trip: of very many, the last
// are left for the next call, and more is set. What comes with an error is told only once too.
func (d *Purger) SomeRegistrations(ctx context.Context, in []int) (some []Registration, more bool, err error) {
	more, err = d.exchange(ctx, nil, d.stillInUse(in), func(r Registration) { some = append(some, r) })
	return some, more, err
}

// exchange sends some purges, and behind them, unless see is nil, asks each partition of in
// for new registrations, all in one round trip. more tells that there are others.
func (d *Purger) exchange(ctx context.Context, purges []purgeCall, in []int, see func(Registration)) (more bool, err error) {
	seqs, floor := make([]int64, len(d.parts)), d.floor
	for p := range d.parts {
		seqs[p] = d.parts[p].seq
	}
	sent := make([]call, 0, len(purges)+len(in))
	for _, purge := range purges {
		sent = append(sent, d.purgeScript(ctx, purge, seqs[purge.partition]))
		seqs[purge.partition]++ // each call raises it by one
	}
	if see != nil {
		for _, p := range in {
			keys, args := d.checkArgs(p, seqs[p], []string{d.space.Windows(p)}, []any{d.parts[p].lastSeen, registrationsPerCall, d.newFloor(p)})
			sent = append(sent, newCall(ctx, p, d.scripts.registrations, keys, args))
		}
	}
	// Redis writes last to whom it first had something to say: with a PING in front, the names
	// which the purges publish reach the caches in API processes before the answer comes back.
	d.send(ctx, sent, len(purges) > 0)
	for i, call := range sent {
		p := call.partition
		if d.parts[p].dark != nil {
			continue
		}
		var failed error
		var some bool
		if i < len(purges) {
			failed = d.readPurgeAnswer(call)
		} else {
			some, failed = d.readRegistrations(p, call.cmd, see)
			d.parts[p].floor = max(d.parts[p].floor, floor)
		}
		if failed != nil {
			err = cmp.Or(err, d.darken(ctx, p, failed))
		}
		more = more || some
	}
	return more, err
}

// readRegistrations takes in the new registrations of one partition.
func (d *Purger) readRegistrations(p int, cmd *redis.Cmd, see func(Registration)) (more bool, err error) {
	values, err := d.answer(p, d.scripts.registrations, cmd)
	if err != nil {
		return false, err
	}
	return d.parts[p].takeRegistrations(values[min(1, len(values)):], see)
}

// takeRegistrations takes in registrations: of each the query, its number and its window.
func (part *progress) takeRegistrations(values []any, see func(Registration)) (more bool, err error) {
	for i := 0; i+2 < len(values); i += 3 {
		query, _ := values[i].(string)
		number, _ := values[i+1].(string)
		window, _ := values[i+2].(string)
		n, err := strconv.ParseInt(number, 10, 64)
		if err != nil {
			return false, fmt.Errorf("read registration number of %q: %w", query, err)
		}
		part.lastSeen = number
		see(Registration{Number: n, Query: query, Window: window})
	}
	return len(values)/3 == registrationsPerCall, nil
}

// answer returns what a checked script answered, and adopts its seq.
func (d *Purger) answer(p int, s script, cmd *redis.Cmd) ([]any, error) {
	values, err := s.answer(cmd)
	if err != nil || len(values) == 0 {
		return values, err
	}
	seq, err := number(values[0])
	if err != nil {
		return nil, fmt.Errorf("read seq: %w", err)
	}
	d.parts[p].seq = seq
	return values, nil
}

// checkArgs puts the arguments of check.lua in front of a script's own. No script raises seq by more
// than one.
func (d *Purger) checkArgs(p int, seq int64, keys []string, args []any) ([]string, []any) {
	d.parts[p].asked = max(d.parts[p].asked, seq+1)
	return append([]string{d.space.Fence(p), d.space.Live(p)}, keys...),
		append([]any{d.leader.Term, d.parts[p].generation, seq}, args...)
}
