package dashboard

import (
	"context"
	"log/slog"
	"net/http"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/freshlist/freshlist/internal/activity"
	"github.com/freshlist/freshlist/internal/invalidate"
	"github.com/freshlist/freshlist/internal/invalidate/explain"
	"github.com/freshlist/freshlist/internal/invalidate/match"
	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/rediskey"
	"github.com/freshlist/freshlist/internal/telemetry"
)

// Config says what a Dashboard shows and what may be done on it.
type Config struct {
	Report  func() invalidate.Report
	Stream  *activity.Stream // of what is purged
	Metrics *telemetry.Invalidator
	Redis   redis.UniversalClient
	Space   rediskey.Space
	Log     *slog.Logger
	Index   explain.WithIndex // of the leader, if it is this process; nil = it never is

	DatabaseURL string   // the invalidator's own: where the description is read
	OwnerURL    string   // where statements are tried; "" = they are not
	Token       string   // of those who may try statements, or two with a comma between; "" = those on the same machine
	Hosts       []string // names by which browsers may reach the dashboard, besides those that nobody can register
	TrialURL    string   // of the page with buttons that make run serves; "" = there is none
}

// Dashboard is the page. Close must be called at the end.
type Dashboard struct {
	Config
	board  *board
	tokens [][32]byte
	cross  *http.CrossOriginProtection
	slots  chan struct{} // explanations that are worked on
	trying chan struct{} // statements that are tried
}

// New returns a dashboard that does nothing until somebody opens it.
func New(c Config) *Dashboard {
	if c.Index == nil {
		c.Index = func(context.Context, func(*listing.Site, *match.Index)) error { return invalidate.ErrNotLeading }
	}
	return &Dashboard{
		Config: c, board: newBoard(c), tokens: hashed(c.Token), cross: http.NewCrossOriginProtection(),
		slots: make(chan struct{}, 4), trying: make(chan struct{}, 1),
	}
}

// Close ends what works in the background.
func (d *Dashboard) Close() { d.board.close() }

// Handler serves the dashboard, and leaves to others what is not of it.
func (d *Dashboard) Handler(others http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /{$}", d.forBrowsers(d.page))
	mux.Handle("GET /live", d.forBrowsers(d.live))
	mux.Handle("GET /explain", d.forBrowsers(d.explainURL))
	mux.Handle("POST /explain/sql", d.forBrowsers(d.explainSQL))
	mux.Handle("POST "+explain.QuestionPath, d.forBrowsers(d.answerQuestion))
	mux.Handle("GET "+staticPath, d.forBrowsers(serveStatic))
	mux.Handle("GET /events", d.forBrowsers(d.Stream.ServeHTTP))
	mux.Handle("/", others)
	return mux
}

// policy is the Content-Security-Policy of the page.
func (d *Dashboard) policy() string {
	frames := ""
	if d.TrialURL != "" {
		frames = "frame-src " + d.TrialURL + "; "
	}
	return "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; " + frames +
		"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
}

// page answers with the whole page, as things are now.
func (d *Dashboard) page(w http.ResponseWriter, r *http.Request) {
	v := d.view(r)
	if address := strings.TrimSpace(r.URL.Query().Get("url")); address != "" {
		v.Address = address
		v.Explained = d.explainAddress(r.Context(), address)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", d.policy())
	if r.Method != http.MethodHead {
		_, _ = w.Write(render("page", v))
	}
}

// live answers with the parts of the page as they change.
func (d *Dashboard) live(w http.ResponseWriter, r *http.Request) {
	d.board.touch()
	d.board.pages.ServeHTTP(w, r)
}

// pageView is what the page's template shows.
type pageView struct {
	state
	Feed       []entry
	Listening  bool // the board was at work before: the feed has what it saw
	Address    string
	Explained  *explained
	Statements bool // statements can be tried
	NeedsToken bool // by who has the token
	TrialURL   string
}

func (d *Dashboard) view(r *http.Request) *pageView {
	before := d.board.touch()
	return &pageView{
		state: d.board.now(r.Context()), Feed: d.board.recent(), Listening: before,
		Statements: d.OwnerURL != "", NeedsToken: len(d.tokens) > 0, TrialURL: d.TrialURL,
	}
}

// cache is where live queries are registered.
func (d *Dashboard) cache() explain.Cache { return explain.Cache{Redis: d.Redis, Space: d.Space} }

// withSlot calls do if fewer than may are at it, and reports whether it did.
func withSlot(ctx context.Context, slots chan struct{}, do func()) bool {
	select {
	case slots <- struct{}{}:
	case <-ctx.Done():
		return false
	}
	defer func() { <-slots }()
	do()
	return true
}
