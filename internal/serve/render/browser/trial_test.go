package browser

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/freshlist/freshlist/internal/invalidate/dashboard"
	"github.com/freshlist/freshlist/internal/local/run/trial"
)

// stoppable notes whether it is stopped.
type stoppable struct{ atomic.Bool }

func (s *stoppable) Pause() error  { s.Store(true); return nil }
func (s *stoppable) Resume() error { s.Store(false); return nil }

// The buttons of make run work in the dashboard and by themselves, and can be read.
func TestTrial(t *testing.T) {
	t.Parallel()
	part := &stoppable{}
	var page atomic.Pointer[trial.Trial]
	served := httptest.NewServer(lazily(&page))
	t.Cleanup(served.Close)
	o := dashboards(t, func(c *dashboard.Config) { c.TrialURL = served.URL })
	buttons := trial.New(trial.Config{
		API: strings.TrimPrefix(o.api.URL, "http://"), Dashboard: o.url, Database: o.Database.Owner, Bound: time.Minute, Parts: map[string]trial.Part{"invalidator": part},
	})
	t.Cleanup(buttons.Close)
	page.Store(buttons)
	c := start(t)
	b := open(t, c, served.URL)
	b.visit("/")
	b.click("[data-part] button")
	b.until("document.querySelector('[data-part] .state').innerText === 'stopped'")
	if !part.Load() {
		t.Error("the button has stopped nothing")
	}
	b.click("[data-part] button")
	b.until("document.querySelector('[data-part] .state').innerText === 'runs'")
	b.click("[data-editing] button")
	b.until("document.querySelector('[data-seen]').innerText.startsWith('1 edits')")
	for _, scheme := range []string{"light", "dark"} {
		b.do("Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{{"name": "prefers-color-scheme", "value": scheme}}})
		for _, width := range []int{320, 1280} {
			b.resize(width, 800)
			var wide int
			if b.run("document.documentElement.scrollWidth", &wide); wide > width {
				t.Errorf("it is %d pixels wide of %d", wide, width)
			}
		}
		b.accessible("the buttons, " + scheme)
	}

	framed := open(t, c, o.url)
	framed.visit("/")
	framed.until("document.querySelector('.live [role=status]').innerText === 'Live'")
	framed.until("document.querySelector('.trial iframe')")
	b.click("[data-editing] button")
	framed.until("document.querySelector('.entry .what')?.innerText.includes('properties ')")
}

// lazily serves a page that is made later.
func lazily(page *atomic.Pointer[trial.Trial]) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { page.Load().ServeHTTP(w, r) })
}
