package dashboard

import (
	"bytes"
	"context"
	"encoding/json"
	"html/template"
	"slices"
	"sync"
	"time"

	"github.com/freshlist/freshlist/internal/activity"
	"github.com/freshlist/freshlist/internal/rediscache"
)

// What a board does and keeps.
const (
	sampleEvery  = time.Second
	lingering    = time.Minute            // after the last look: who loads the page again finds what happened meanwhile
	kept         = 120                    // samples, one a second
	keptEntries  = 40                     // of the feed
	shownChanges = 10                     // a second, of the feed; more nobody reads
	sampleBudget = 800 * time.Millisecond // for what is asked of Redis
)

// The names of the events that pages are sent.
const (
	eventPanels = "panels" // parts of the page by their ids, as HTML
	eventEntry  = "entry"  // of the feed, as HTML
)

// board watches, while somebody looks on, what is purged and what the processes do, and renders it
// once for all.
type board struct {
	Config
	pages   activity.Stream // of what open pages are sent
	lingers time.Duration   // lingering, but for tests

	ctx    context.Context
	cancel context.CancelFunc
	work   sync.WaitGroup

	mu      sync.Mutex
	running bool
	asked   time.Time // last
	began   time.Time // when it began to watch
	samples []sample
	feed    []entry // the newest first
	purges  activity.PurgeCounter
}

func newBoard(c Config) *board {
	b := &board{Config: c, lingers: lingering}
	b.ctx, b.cancel = context.WithCancel(context.Background())
	return b
}

func (b *board) close() {
	b.mu.Lock()
	b.cancel() // nothing begins any more
	b.mu.Unlock()
	b.work.Wait()
}

// touch keeps the board at work for some time, and reports whether it has been already.
func (b *board) touch() (before bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.asked = time.Now()
	if b.running || b.ctx.Err() != nil {
		return b.running
	}
	b.running, b.began = true, b.asked
	b.samples, b.feed, b.purges = nil, nil, activity.PurgeCounter{}
	b.work.Go(b.run)
	return false
}

// leaves reports whether nobody has looked on for some time. Then the board is at work no more.
func (b *board) leaves() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ctx.Err() == nil && (b.pages.Watched() || time.Since(b.asked) < b.lingers) {
		return false
	}
	b.running = false
	return true
}

// run watches until nobody looks on.
func (b *board) run() {
	var changes <-chan []byte
	if l, err := b.Stream.ListenFor(shownChanges); err == nil { // else as many listen as may: the rest is shown
		defer l.Close()
		changes = l.Events()
	}
	tick := time.NewTicker(sampleEvery)
	defer tick.Stop()
	for b.sample(); ; {
		select {
		case <-b.ctx.Done():
		case event := <-changes:
			b.show(event)
			continue
		case <-tick.C:
		}
		if b.leaves() {
			return
		}
		b.sample()
	}
}

// sample looks at everything once, and shows it.
func (b *board) sample() {
	s := b.look(b.ctx)
	b.mu.Lock()
	if b.samples = append(b.samples, s); len(b.samples) > kept {
		b.samples = slices.Delete(b.samples, 0, len(b.samples)-kept)
	}
	shown := b.state(b.samples)
	b.mu.Unlock()
	if !b.pages.Watched() {
		return
	}
	parts := map[string]string{}
	for _, name := range panels {
		parts[name] = string(render(name, shown))
	}
	b.pages.Publish(eventPanels, parts)
}

// look asks for everything once.
func (b *board) look(ctx context.Context) sample {
	ctx, cancel := context.WithTimeout(ctx, sampleBudget)
	defer cancel()
	s := sample{
		report: b.Report(), delays: b.Metrics.ReadDelays(),
		changes: b.Metrics.ChangesApplied.Value(), purged: b.Metrics.PurgedQueries.Value(),
	}
	s.processes, s.err = rediscache.ReadProcesses(ctx, b.Redis, b.Space)
	s.at = time.Now()
	return s
}

// now returns the present state: of the board if it is at work, else of this moment.
func (b *board) now(ctx context.Context) state {
	b.mu.Lock()
	if len(b.samples) > 1 {
		defer b.mu.Unlock()
		return b.state(b.samples)
	}
	b.mu.Unlock()
	s := b.look(ctx)
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.state([]sample{s})
}

// recent returns the newest entries of the feed, the newest first.
func (b *board) recent() []entry {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.feed)
}

// show shows an event of the invalidator's stream.
func (b *board) show(message []byte) {
	name, data := split(message)
	e, ok := newEntry(name, data)
	if !ok {
		return
	}
	e.HTML = template.HTML(render("entry", e)) //nolint:gosec // rendered by html/template
	b.mu.Lock()
	if name == activity.EventChange {
		b.purges.AddChange(&e.Change)
	} else {
		b.purges.Add(name, data)
	}
	e.Change = activity.Change{} // it is in the HTML
	b.feed = slices.Insert(b.feed, 0, e)
	b.feed = b.feed[:min(len(b.feed), keptEntries)]
	b.mu.Unlock()
	b.pages.Publish(eventEntry, map[string]string{"html": string(e.HTML)})
}

// split returns the name and the data of an event as Server-Sent Events spell it.
func split(message []byte) (name string, data []byte) {
	for line := range bytes.Lines(message) {
		field, value, _ := bytes.Cut(bytes.TrimSuffix(line, []byte("\n")), []byte(": "))
		switch string(field) {
		case "event":
			name = string(value)
		case "data":
			data = value
		}
	}
	return name, data
}

// entry is one line of the feed.
type entry struct {
	Name   string // of the event
	At     time.Time
	Change activity.Change
	Epoch  activity.Epoch
	Number int           // of what was left out
	HTML   template.HTML // all of it, rendered
}

// newEntry returns the line of an event, if it is one to be shown.
func newEntry(name string, data []byte) (e entry, ok bool) {
	e.Name, e.At = name, time.Now()
	switch name {
	case activity.EventChange:
		if json.Unmarshal(data, &e.Change) != nil {
			return e, false
		}
		e.At = e.Change.At
	case activity.EventOmitted:
		var o activity.Omitted
		_ = json.Unmarshal(data, &o) // 0, then
		e.Number = o.Changes
	case activity.EventEpoch:
		_ = json.Unmarshal(data, &e.Epoch)
		e.At = e.Epoch.At
	case activity.EventDropped:
		var d activity.Dropped
		_ = json.Unmarshal(data, &d)
		e.Number = d.Events
	default:
		return e, false
	}
	return e, true
}

func (e entry) queries(purged bool) (some []activity.Query) {
	for _, q := range e.Change.Queries {
		if q.Purged == purged {
			some = append(some, q)
		}
	}
	return some
}

// Gone returns the named queries that went.
func (e entry) Gone() []activity.Query { return e.queries(true) }

// Stayed returns the named queries that stayed.
func (e entry) Stayed() []activity.Query { return e.queries(false) }

// MoreGone is how many went that are not named.
func (e entry) MoreGone() int { return max(0, e.Change.Purged-len(e.Gone())) }
