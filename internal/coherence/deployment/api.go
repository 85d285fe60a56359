package deployment

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/rediscache"
	"github.com/freshlist/freshlist/internal/serve/database"
	"github.com/freshlist/freshlist/internal/serve/readthrough"
	"github.com/freshlist/freshlist/internal/serve/render"
	"github.com/freshlist/freshlist/internal/telemetry"
)

// API is what one API process has of the cache.
type API struct {
	*readthrough.Cache
	Metrics *telemetry.API
	Reader  *database.Reader // past the cache

	d *Deployment
}

// Process is what an API process is made of; a test changes it before it starts.
type Process struct {
	readthrough.Config
	Build   string
	Limits  rediscache.Limits
	Tampers []Tamper
	Hooks   []redis.Hook // on its client of Redis
}

// redisBudget is the time for one call of Redis, long enough for a busy machine.
const redisBudget = 2 * time.Second

// API starts an API process, after changes to what it is made of.
func (d *Deployment) API(changes ...func(*Process)) *API {
	d.Helper()
	pool, err := database.Open(database.Config{
		URL: d.Database.API, Application: "freshlist-api", MaxConns: 8, Timeout: patience,
	})
	d.Must(err)
	d.Cleanup(pool.Close)
	a := &API{Metrics: telemetry.NewAPI(), d: d}
	a.Reader = database.NewReader(pool, a.Metrics.DatabaseReads.Inc)
	p := Process{
		Config: readthrough.Config{
			Source: a.Reader, Site: func() *listing.Site { return d.Site }, Render: render.Body, Metrics: a.Metrics, Bound: d.Bound, Timeout: patience,
		},
		Build:  render.BuildTag(),
		Limits: rediscache.Limits{Lease: patience, View: 15 * time.Minute, Queryset: time.Hour, Live: d.Live},
	}
	for _, change := range changes {
		change(&p)
	}
	rdb := d.Client(redisBudget, p.Tampers...)
	for _, hook := range p.Hooks {
		rdb.AddHook(hook)
	}
	p.Store = rediscache.NewReader(rdb, d.Space, p.Build, p.Limits)
	a.Cache = readthrough.New(p.Config)
	return a
}

// Query parses a query's canonical text, and ends the test if it is none.
func (d *Deployment) Query(text string) listing.Query {
	d.Helper()
	q, err := d.Site.Parse(text)
	d.Must(err)
	return q
}

// Get asks the API for a query, by its canonical text.
func (a *API) Get(query string, f render.Format) readthrough.Answer {
	a.d.Helper()
	answer, err := a.Cache.Get(a.d.Context(), readthrough.Request{Query: a.d.Query(query), Format: f})
	a.d.Must(err)
	return answer
}

// Fresh returns what the database has to say to a query now, as the API would show
// it.
func (a *API) Fresh(query string, f render.Format) string {
	a.d.Helper()
	qs, err := a.Reader.Read(a.d.Context(), a.d.Query(query))
	a.d.Must(err)
	_, body := a.Render(f, qs)
	return string(body)
}

// PausedRead is one read that has its rows and waits to return them.
type PausedRead struct {
	Query  listing.Query
	resume chan struct{}
}

// Resume lets the read return.
func (h *PausedRead) Resume() { close(h.resume) }

// Gate is a Source whose reads, once they have their rows, stop until the test
// lets them go on. The test must take every read from Reads and resume it.
type Gate struct {
	readthrough.Source
	Reads chan *PausedRead
}

// NewGate returns a gate; give it a Source, or let Install do so.
func NewGate() *Gate { return &Gate{Reads: make(chan *PausedRead)} }

// Install puts the gate before the Source of an API process.
func (g *Gate) Install(p *Process) { g.Source, p.Source = p.Source, g }

// Read is that of the Source.
func (g *Gate) Read(ctx context.Context, q listing.Query) (listing.Queryset, error) {
	qs, err := g.Source.Read(ctx, q)
	g.hold(q)
	return qs, err
}

// ReadWithOrigin is that of the Source.
func (g *Gate) ReadWithOrigin(ctx context.Context, q listing.Query) (listing.Queryset, string, error) {
	qs, epoch, err := g.Source.ReadWithOrigin(ctx, q)
	g.hold(q)
	return qs, epoch, err
}

// ReadWithServer is that of the Source.
func (g *Gate) ReadWithServer(ctx context.Context, q listing.Query) (listing.Queryset, string, error) {
	qs, server, err := g.Source.ReadWithServer(ctx, q)
	g.hold(q)
	return qs, server, err
}

func (g *Gate) hold(q listing.Query) {
	h := &PausedRead{q, make(chan struct{})}
	g.Reads <- h
	<-h.resume
}
