package browser

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/freshlist/freshlist/internal/coherence/deployment"
)

// live starts a whole freshlist, with an invalidator.
func live(t *testing.T) (*deployment.Deployment, *deployment.Server) {
	d := deployment.New(t, deployment.Options{})
	d.Seed(0)
	d.Invalidate()
	return d, d.API().Serve()
}

// isLive waits until a page has compared itself with the server.
func (b *tab) isLive() {
	b.Helper()
	b.until("document.querySelector('.live [role=status]').innerText === 'Live'")
}

// An SQL edit changes the pages that show it while they are open, and no other.
func TestOpenPagesChange(t *testing.T) {
	t.Parallel()
	d, s := live(t)
	c := start(t)
	d.Exec("update properties set city = 'FOLSOM', price = 1, title = 'First' where id = 7")
	d.Exec("update properties set city = 'FOLSOM', price = 2, title = 'Second' where id = 8")
	list, row, other := open(t, c, s.URL), open(t, c, s.URL), open(t, c, s.URL)
	list.visit("/?city=FOLSOM&sort=price")
	row.visit("/properties/7")
	other.visit("/?city=ELK_GROVE&sort=price")
	for _, b := range []*tab{list, row, other} {
		b.isLive()
		b.run("document.body.dataset.loaded = 'once'", nil) // a reload would lose it
	}
	list.until("document.querySelector('[data-totals]').innerText !== ''")
	totals, elk := list.text("[data-totals]"), other.text("main")
	list.run("document.querySelector('.card:nth-child(2) h3 a').focus()", nil)
	list.run("document.querySelector('.filters details').open = true", nil)
	list.run("document.querySelector('details.map').open = false", nil)
	list.fill("q", "typed")
	list.run("document.querySelector('.card:nth-child(2) h3 a').focus()", nil)

	d.Exec("update properties set price = 3, title = 'Third' where id = 7")
	list.until("document.querySelector('.card:nth-child(2) h3').innerText === 'Third'")
	row.until("document.querySelector('h1').innerText === 'Third'")
	list.says(".card:nth-child(1) h3", "Second")
	list.says(".card:nth-child(2) .price", "$3")
	list.list(".changed h3", "Third")
	row.says(".price", "$3\nFor sale")
	row.until("document.title.startsWith('Third')")
	list.until("document.querySelector('[data-totals]').innerText !== " + fmt.Sprintf("%q", totals))
	for _, b := range []*tab{list, row, other} {
		b.says("body[data-loaded=once] .skip", "Skip to content")
	}
	var kept []string
	list.run(`[document.activeElement.innerText, String(document.querySelector('.filters details').open), String(document.querySelector('details.map').open), document.querySelector('[name=q]').value]`, &kept)
	if !slices.Equal(kept, []string{"Second", "true", "false", "typed"}) {
		t.Errorf("focus, details and what was typed are %q", kept)
	}

	// A row that comes, and one that goes.
	d.Exec("insert into properties (title, property_type, price, city) values ('New', 'Condo', 0, 'FOLSOM')")
	list.until("document.querySelector('.card h3').innerText === 'New'")
	d.Exec("delete from properties where id = 7")
	list.until("![...document.querySelectorAll('.card h3')].some((e) => e.innerText === 'Third')")
	row.until("document.querySelector('main').innerText.includes('There is no property 7')")
	list.until("document.querySelectorAll('.changed').length === 0")
	other.says("main", elk)
	if n := s.Metrics.Streams.Value(); n != 3 {
		t.Errorf("%v streams for three tabs", n)
	}
}

// A paused page stays as it is, also where it leads to; resumed, it shows what it missed. A hidden
// tab has no stream.
func TestPause(t *testing.T) {
	t.Parallel()
	d, s := live(t)
	b := open(t, start(t), s.URL)
	b.do("Emulation.setEmulatedMedia", map[string]any{
		"features": []map[string]string{{"name": "prefers-reduced-motion", "value": "reduce"}},
	})
	b.visit("/properties/7")
	b.isLive()
	b.says(".live button", "Pause updates")
	b.click(".live button")
	b.says(".live button", "Resume updates")
	b.says(".live [role=status]", "Updates are paused")
	d.Await("the end of the stream", func() bool { return s.Metrics.Streams.Value() == 0 })
	d.AwaitApplied(d.Exec("update properties set title = 'Missed' where id = 7"))
	b.visit("/properties/8")
	b.says(".live [role=status]", "Updates are paused")
	b.visit("/properties/7")
	d.AwaitApplied(d.Exec("update properties set title = 'Missed again' where id = 7"))
	b.says("h1", "Missed")
	b.click(".live button")
	b.until("document.querySelector('h1').innerText === 'Missed again'")
	var animation string
	b.run("getComputedStyle(document.querySelector('h1')).animationName", &animation)
	if animation != "none" {
		t.Errorf("with reduced motion the animation is %q", animation)
	}

	hide := `Object.defineProperty(document, 'hidden', { value: %v, configurable: true });
		document.dispatchEvent(new Event('visibilitychange'))`
	b.run(fmt.Sprintf(hide, true), nil)
	d.Await("the end of the stream", func() bool { return s.Metrics.Streams.Value() == 0 })
	d.AwaitApplied(d.Exec("update properties set title = 'Unseen' where id = 7"))
	b.says("h1", "Missed again")
	b.run(fmt.Sprintf(hide, false), nil)
	b.until("document.querySelector('h1').innerText === 'Unseen'")
}

// A page that cannot be fetched when it has changed says so, and is asked for again later.
func TestChangedPageThatFails(t *testing.T) {
	t.Parallel()
	d, s := live(t)
	b := open(t, start(t), s.URL)
	b.visit("/properties/7")
	b.isLive()
	b.run(`window.whole = window.fetch; window.fetch = async () => new Response("", { status: 503 })`, nil)
	d.Exec("update properties set title = 'Late' where id = 7")
	b.until("document.querySelector('.live [role=status]').innerText === 'Updates may come late'")
	b.until("document.querySelector('.live').dataset.state === 'lost'")
	b.run("window.fetch = window.whole", nil)
	b.until("document.querySelector('h1').innerText === 'Late'")
	b.until("document.querySelector('.live').dataset.state === 'live'")
}

// How long it takes from the beginning of an edit to the changed page. It is printed, not judged.
func TestCommitToPage(t *testing.T) {
	t.Parallel()
	d, s := live(t)
	b := open(t, start(t), s.URL)
	b.visit("/properties/7")
	b.isLive()
	var took []time.Duration
	for i := range 30 {
		title := fmt.Sprintf("Title %d", i)
		ready := make(chan time.Time)
		go func() {
			b.until("(window.looking = true) && document.querySelector('h1').innerText === '" + title + "'")
			ready <- time.Now()
		}()
		for looking := false; !looking; {
			b.run("window.looking === true", &looking)
		}
		begun := time.Now()
		d.Exec("update properties set title = $1 where id = 7", title)
		took = append(took, (<-ready).Sub(begun))
		b.run("window.looking = false", nil)
	}
	slices.Sort(took)
	t.Logf("UPDATE sent to page changed in Chromium: median %v, 90th percentile %v", took[len(took)/2], took[len(took)*9/10])
}
