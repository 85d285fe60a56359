package trial

import (
	"context"
	"embed"
	"encoding/json"
	"html/template"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/freshlist/freshlist/internal/probe"
)

// Part is a process that can be stopped in its tracks and go on.
type Part interface {
	Pause() error
	Resume() error
}

// Config says what the page works on.
type Config struct {
	API       string          // address of the API
	Dashboard string          // origin of the dashboard, which may show the page in a frame
	Database  string          // where listings are edited, as their owner; "" = nowhere
	Bound     time.Duration   // B
	Parts     map[string]Part // by name
}

// Trial is the page. Close must be called at the end.
type Trial struct {
	Config
	cross  *http.CrossOriginProtection
	ctx    context.Context
	cancel context.CancelFunc
	work   sync.WaitGroup
	edit   sync.Mutex // one edit at a time

	mu     sync.Mutex
	paused map[string]bool
	stop   func() // ends the edits that go on; nil if there are none
	seen   Seen
}

// Seen is how soon edits were seen through the API.
type Seen struct {
	Edits   int     `json:"edits"`
	Last    string  `json:"last"`            // what the last one changed
	Took    float64 `json:"seconds"`         // from its commit to the first answer that shows it
	Slowest float64 `json:"slowest_seconds"` // of all
	Late    int     `json:"late"`            // seen later than the bound, which must not be
	Fault   string  `json:"fault"`           // of the last one
}

// New returns a page.
func New(c Config) *Trial {
	t := &Trial{Config: c, cross: http.NewCrossOriginProtection(), paused: map[string]bool{}}
	t.ctx, t.cancel = context.WithCancel(context.Background())
	return t
}

// Close lets every part go on, and ends all edits.
func (t *Trial) Close() {
	t.cancel()
	t.work.Wait()
	t.mu.Lock()
	defer t.mu.Unlock()
	for name := range t.paused {
		_ = t.Parts[name].Resume() // it may have ended
	}
	t.paused = map[string]bool{}
}

//go:embed static templates edits.sql
var files embed.FS

var page = template.Must(template.ParseFS(files, "templates/trial.html"))

// ServeHTTP serves the page and what its buttons ask for.
func (t *Trial) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors "+t.Dashboard+" "+strings.Replace(t.Dashboard, "127.0.0.1", "localhost", 1))
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
	switch {
	case !ownHost(r.Host):
		http.Error(w, "Open this page as 127.0.0.1 or localhost.", http.StatusMisdirectedRequest)
	case r.Method == http.MethodPost:
		t.act(w, r)
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		h.Set("Allow", "GET, HEAD, POST")
		http.Error(w, "GET or POST", http.StatusMethodNotAllowed)
	case r.URL.Path == "/":
		h.Set("Content-Type", "text/html; charset=utf-8")
		_ = page.Execute(w, struct {
			State
			Framed         bool
			Query          string
			API, Dashboard string
		}{t.state(r.Context()), r.URL.RawQuery == "framed", r.URL.RawQuery, "http://" + t.API, t.Dashboard})
	case r.URL.Path == "/state":
		h.Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(t.state(r.Context()))
	default:
		content, err := files.ReadFile("static" + path.Clean(r.URL.Path))
		if err != nil {
			http.NotFound(w, r)
			return
		}
		h.Set("Content-Type", mime.TypeByExtension(path.Ext(r.URL.Path)))
		_, _ = w.Write(content)
	}
}

// ownHost reports whether a request names this machine by what nobody else can give a name to.
func ownHost(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = hostport
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}

// State is what the page shows.
type State struct {
	Parts   []PartState `json:"parts"`
	CanEdit bool        `json:"can_edit"`
	Editing bool        `json:"editing"`
	Bound   float64     `json:"bound_seconds"`
	Seen    Seen        `json:"seen"`
	API     string      `json:"api"` // what the API says of its cache
}

// PartState is one part.
type PartState struct {
	Name   string `json:"name"`
	Paused bool   `json:"paused"`
}

// names of the parts, in the order of the page.
var names = []string{"invalidator", "Redis"}

func (t *Trial) state(ctx context.Context) State {
	t.mu.Lock()
	s := State{CanEdit: t.Database != "", Editing: t.stop != nil, Bound: t.Bound.Seconds(), Seen: t.seen, Parts: []PartState{}}
	for _, name := range names {
		if t.Parts[name] != nil {
			s.Parts = append(s.Parts, PartState{name, t.paused[name]})
		}
	}
	t.mu.Unlock()
	switch report, err := probe.State(ctx, t.API); {
	case err != nil:
		s.API = "The API does not answer."
	case report.Caching:
		s.API = "The API answers from the cache."
	default:
		s.API = "The API answers from PostgreSQL: " + report.Reason + "."
	}
	return s
}

// act does what a button asks for, if it is one of the page's own.
func (t *Trial) act(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 1<<10)
	if err := t.cross.Check(r); err != nil {
		http.Error(w, "This request comes from a page of another origin.", http.StatusForbidden)
		return
	}
	if peer, err := netip.ParseAddrPort(r.RemoteAddr); err != nil || !peer.Addr().Unmap().IsLoopback() {
		http.Error(w, "Open this page on the same machine.", http.StatusForbidden)
		return
	}
	var err error
	switch name := r.PostFormValue("part"); r.URL.Path {
	case "/stop":
		err = t.set(name, true)
	case "/continue":
		err = t.set(name, false)
	case "/edit":
		t.once(r.Context())
	case "/edits":
		t.start()
	case "/enough":
		t.end()
	default:
		http.NotFound(w, r)
		return
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusUnprocessableEntity)
		return
	}
	back := "/"
	if r.URL.RawQuery == "framed" {
		back = "/?framed"
	}
	http.Redirect(w, r, back, http.StatusSeeOther)
}
