package browser

import (
	"context"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/freshlist/freshlist/internal/activity"
	"github.com/freshlist/freshlist/internal/coherence/deployment"
	"github.com/freshlist/freshlist/internal/invalidate/dashboard"
	"github.com/freshlist/freshlist/internal/rediscache"
	"github.com/freshlist/freshlist/internal/serve/render"
)

// opened is a dashboard of a whole freshlist, in the browser.
type opened struct {
	*deployment.Deployment
	api *deployment.Server
	url string // of the dashboard
}

// dashboards starts a whole freshlist with an API process that shows what it does.
func dashboards(t *testing.T, changes ...func(*dashboard.Config)) *opened {
	d := deployment.New(t, deployment.Options{})
	d.Seed(0)
	i := d.Invalidate()
	s := d.API().Serve()
	c := dashboard.Config{
		Report: i.Report, Stream: i.Stream(), Metrics: i.Metrics, Redis: d.Client(time.Second), Space: d.Space, Log: slog.New(slog.DiscardHandler),
		DatabaseURL: d.Database.Invalidator, OwnerURL: d.Database.Owner,
	}
	for _, change := range changes {
		change(&c)
	}
	board := dashboard.New(c)
	t.Cleanup(board.Close)
	served := httptest.NewServer(board.Handler(i.Handler(i.Metrics.Handler())))
	t.Cleanup(func() { served.CloseClientConnections(); served.Close() })
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan struct{})
	go func() {
		defer close(done)
		self := activity.Process{ID: "one", Host: "api-1", PID: 4711, Address: strings.TrimPrefix(s.URL, "http://"), Version: "0.1.0", Started: time.Now()}
		s.ShowActivity(ctx, self, func(ctx context.Context, row activity.Process) error {
			return rediscache.WriteProcess(ctx, d.Redis, d.Space, row)
		})
	}()
	t.Cleanup(func() { cancel(); <-done })
	return &opened{d, s, served.URL}
}

// The dashboard shows each change as it is purged, and why; it pauses, and its boxes answer.
func TestDashboard(t *testing.T) {
	t.Parallel()
	o := dashboards(t)
	o.api.Get("properties?city=FOLSOM", render.JSON)
	o.api.Get("properties/7", render.JSON)
	b := open(t, start(t), o.url)
	b.visit("/")
	b.until("document.querySelector('.live [role=status]').innerText === 'Live'")
	b.until("document.querySelector('#health .big').innerText === 'The cache is used'")
	b.until("document.querySelector('#live .total').innerText.startsWith('2 ')")
	b.until("document.querySelector('#processes').innerText.includes('api-1')")

	o.Exec("update properties set price = price + 1 where id = 7")
	b.until("document.querySelector('.entry .what')?.innerText.includes('properties 7 price')")
	b.says(".entry .counts", "1 purged, 1 spared")
	b.click(".entry summary")
	b.until("document.querySelector('.entry .why').checkVisibility()")
	if why := b.text(".entry .why"); !strings.Contains(why, "properties/7") || !strings.Contains(why, "shows price") || !strings.Contains(why, "spared") {
		t.Errorf("it says why: %q", why)
	}
	b.until("document.querySelector('#purged').innerText.includes('properties/7')")

	b.click(".live button")
	b.says(".live [role=status]", "Updates are paused")
	b.says(".live button", "Resume updates")
	o.AwaitApplied(o.Exec("update properties set price = price + 1 where id = 8"))
	if n := len(b.texts(".entry")); n != 1 {
		t.Errorf("paused, it shows %d changes", n)
	}
	b.click(".live button")
	b.until("document.querySelector('.live [role=status]').innerText === 'Live'")
	o.Exec("update properties set price = price + 1 where id = 9")
	b.until("document.querySelector('.entry .what').innerText.includes('properties 9')")

	b.fill("url", "/v1/properties?city=FOLSOM")
	b.click("[data-explain=url] button")
	b.until("document.querySelector('#url-answer').innerText.includes('It is purged by')")
	b.says("#url-answer code", "properties?city=FOLSOM")
	b.fill("sql", "update properties set city = 'FOLSOM', created_at = now() where id = 11")
	b.click("[data-explain=sql] button")
	b.until("document.querySelector('#sql-answer').innerText.includes('rolled back')")
	if said := b.text("#sql-answer"); !strings.Contains(said, "1 row") || !strings.Contains(said, "properties?city=FOLSOM") {
		t.Errorf("of the statement it says %q", said)
	}
	b.run("document.querySelector('#sql').value = ''", nil)
	b.fill("sql", "drop table properties")
	b.click("[data-explain=sql] button")
	b.until("document.querySelector('#sql-answer').innerText.includes('refused')")
	b.at("/")
}

// The dashboard can be read with any width, in both colour schemes, and by everybody; and without
// JavaScript it shows the state of the moment.
func TestDashboardIsReadable(t *testing.T) {
	t.Parallel()
	o := dashboards(t)
	for _, query := range []string{"properties?city=FOLSOM", "properties?city=GALT&sort=-price&limit=7", "properties/7", "properties/summary"} {
		o.api.Get(query, render.JSON)
	}
	c := start(t)
	b := open(t, c, o.url)
	b.visit("/")
	b.until("document.querySelector('.live [role=status]').innerText === 'Live'")
	o.Exec("update properties set price = price + 1, title = 'x' where id = 7")
	o.Exec("delete from properties where id = 8")
	b.until("document.querySelectorAll('.entry').length === 2")
	b.fill("url", "/v1/properties?city=FOLSOM")
	b.click("[data-explain=url] button")
	b.until("document.querySelector('#url-answer').innerText.includes('It is purged by')")
	b.run("document.querySelectorAll('.entry details').forEach((d) => (d.open = true))", nil)
	b.click(".live button") // what changes meanwhile is not to be judged
	for _, scheme := range []string{"light", "dark"} {
		b.do("Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{
			{"name": "prefers-color-scheme", "value": scheme}, {"name": "prefers-reduced-motion", "value": "reduce"},
		}})
		for _, width := range []int{360, 768, 1280} {
			b.resize(width, 800)
			var wide int
			b.run("document.documentElement.scrollWidth", &wide)
			if wide > width {
				t.Errorf("it is %d pixels wide of %d", wide, width)
			}
		}
		var pale []string
		if b.run(paleTexts, &pale); len(pale) > 0 {
			t.Errorf("%s: too little contrast: %q", scheme, pale)
		}
		b.accessible("the dashboard, " + scheme)
	}
	var animation string
	b.run("getComputedStyle(document.querySelector('.entry')).animationName", &animation)
	if animation != "none" {
		t.Errorf("with reduced motion the animation is %q", animation)
	}

	plain := open(t, c, o.url)
	plain.do("Emulation.setScriptExecutionDisabled", map[string]any{"value": true})
	plain.visit("/")
	plain.says("#health .big", "The cache is used")
	if n := len(plain.texts(".entry")); n != 2 {
		t.Errorf("without JavaScript it shows %d changes", n)
	}
	plain.fill("url", "/v1/properties?city=FOLSOM")
	plain.follow(func() { plain.click("[data-explain=url] button") })
	plain.says("#url-answer code", "properties?city=FOLSOM")
	plain.says("noscript a", "Load again")
}
