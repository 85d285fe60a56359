// Package browser shows that the pages work in a real browser, with JavaScript
// and without, on the real server and a real database.
package browser

import (
	"context"
	"log/slog"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/pgtest"
	"github.com/freshlist/freshlist/internal/serve"
	"github.com/freshlist/freshlist/internal/serve/database"
	"github.com/freshlist/freshlist/internal/serve/readthrough"
	"github.com/freshlist/freshlist/internal/serve/render"
	"github.com/freshlist/freshlist/internal/telemetry"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// homes are 60 properties: the first is the cheapest and newest, every other one
// in Elk Grove, every third a condo, with 1 to 5 bedrooms by turns.
const homes = `
	insert into properties (title, description, property_type, price, city, bedrooms, bathrooms, living_area, created_at)
	select 'Home ' || i, 'A quiet street.', case when i % 3 = 0 then 'Condo' else 'Residential' end, 100000 + i * 1000,
		case when i % 2 = 0 then 'FOLSOM' else 'ELK_GROVE' end, i % 5 + 1, 1.5, 1000 + i,
		timestamptz '2008-05-15Z' - i * interval '1 minute'
	from generate_series(1, 60) i`

// server starts an API on a database of its own and returns its address.
func server(t *testing.T) string {
	t.Helper()
	url := pgtest.Shared(t).Clone(t, "pages", func(ctx context.Context, url string) error {
		conn, err := pgx.Connect(ctx, url)
		if err != nil {
			return err
		}
		defer conn.Close(ctx)
		table, err := os.ReadFile("../../../../db/migrations/000001_properties.up.sql")
		if err != nil {
			return err
		}
		_, err = conn.Exec(ctx, string(table)+";"+homes)
		return err
	})
	pool, err := database.Open(database.Config{URL: url, Application: "test", MaxConns: 4, Timeout: time.Minute})
	if err != nil {
		t.Fatalf("open pool: %v", err)
	}
	t.Cleanup(pool.Close)
	metrics := telemetry.NewAPI()
	s := httptest.NewServer(serve.New(serve.Options{
		Reads: readthrough.New(readthrough.Config{
			Source: database.NewReader(pool, func() {}),
			Render: func(f readthrough.Format, qs listing.Queryset) (int, []byte) {
				return render.Body(render.Format(f), qs)
			},
			Metrics: metrics, Bound: time.Second, Timeout: time.Minute, Off: true,
		}),
		Timeout: time.Minute, Metrics: metrics, Log: slog.New(slog.DiscardHandler),
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func TestPages(t *testing.T) {
	t.Parallel()
	c, base := start(t), server(t)
	for name, test := range map[string]func(*tab){
		"with JavaScript":    withJavaScript,
		"without JavaScript": withoutJavaScript,
		"without summary":    withoutSummary,
		"faulty form":        faultyForm,
		"readable":           readable,
	} {
		t.Run(name, func(t *testing.T) { test(open(t, c, base)) })
	}
}

func withJavaScript(b *tab) {
	b.visit("/")
	b.until("document.querySelector('[data-totals]').innerText !== ''")
	b.says("[data-totals]", "60 homes, $101,000 to $160,000, on average $130,500")
	b.until("document.querySelectorAll('[data-facet=by_city] .check').length === 2")
	b.list("[data-facet=by_city] .check", "Elk Grove\n30", "Folsom\n30")
	b.until("document.querySelector('[data-facet=by_property_type] .check')")
	b.list("[data-facet=by_property_type] .check", "Residential\n40", "Condo\n20")
	b.until("document.querySelector('[name=min_bedrooms]').innerText.includes('(')")
	b.list("[name=min_bedrooms] option", "Any", "1 (60)", "2 (48)", "3 (36)", "4 (24)", "5 (12)", "6 (0)")

	b.click("[name=city][value=FOLSOM]")
	b.fill("max_price", "$150,000")
	b.follow(func() { b.click("form button") })
	b.at("/?city=FOLSOM&max_price=150000")
	b.says("h1", "Homes in Folsom")
	b.until("document.querySelector('[data-totals]').innerText !== ''")
	b.says("[data-totals]", "25 homes, $102,000 to $150,000, on average $126,000")
	b.until("document.querySelectorAll('[data-facet=by_city] .check').length === 2")
	b.list("[data-facet=by_city] .check", "Folsom\n25", "Elk Grove\n25")
	b.list(".chips a", "Remove filter:\nFolsom\n×", "Remove filter:\nUp to $150,000\n×", "Clear all")

	b.follow(func() { b.click(".sorts li:nth-child(3) a") })
	b.at("/?city=FOLSOM&max_price=150000&sort=-price")
	b.says(".card .price", "$150,000")
	b.follow(func() { b.click(".pager .next") })
	if n := len(b.texts(".card")); n != 5 || !strings.Contains(b.target(), "&cursor=") {
		b.Errorf("%d homes on the second page, %s", n, b.target())
	}
	b.follow(func() { b.click(".pager a") })
	b.at("/?city=FOLSOM&max_price=150000&sort=-price")
	b.follow(func() { b.click(".card h3 a") })
	b.at("/properties/50")
	b.says("h1", "Home 50")
}

func withoutJavaScript(b *tab) {
	b.do("Emulation.setScriptExecutionDisabled", map[string]any{"value": true})

	b.visit("/")
	b.says("[data-totals]", "")
	if n := len(b.texts(".card")); n != 20 {
		b.Errorf("%d homes on the first page", n)
	}
	b.fill("city", "FOLSOM")
	b.click("[name=status][value=for_sale]")
	b.follow(func() { b.click("form button") })
	b.says("h1", "Homes in Folsom")
	b.list(".chips a", "Remove filter:\nFolsom\n×", "Remove filter:\nFor sale\n×", "Clear all")
	b.follow(func() { b.click(".pager .next") })
	if n := len(b.texts(".card")); n != 10 {
		b.Errorf("%d homes on the second page", n)
	}
	b.follow(func() { b.click(".pager a") })
	b.at("/?city=FOLSOM&status=for_sale")
	b.follow(func() { b.click(".card .where a") })
	b.at("/?city=FOLSOM&status=for_sale")
	b.follow(func() { b.click(".card h3 a") })
	b.at("/properties/2")
	b.says("h1", "Home 2")
	b.follow(func() { b.click(".trail a:nth-of-type(2)") })
	b.at("/?city=FOLSOM")
}

// withoutSummary: a page whose summary cannot be had is as one without JavaScript.
func withoutSummary(b *tab) {
	b.do("Network.setBlockedURLs", map[string]any{"urls": []string{"*/v1/properties/summary*"}})
	b.visit("/")
	b.fill("city", "FOLSOM")
	b.follow(func() { b.click("form button") })
	b.at("/?city=FOLSOM")
	b.says("[data-totals]", "")
}

func faultyForm(b *tab) {
	b.visit("/?min_price=much&max_area=1")
	b.says(".faults a", "Minimum price")
	b.click(".faults a")
	var focused string
	b.run("document.querySelector(':target').value", &focused)
	if focused != "much" {
		b.Errorf("the fault leads to a field with %q", focused)
	}
	b.fill("min_price", "") // types over nothing
	b.run("document.querySelector('[name=min_price]').value = ''", nil)
	b.follow(func() { b.click("form button") })
	b.at("/?max_area=1")
	b.says(".empty p", "No home matches all of these filters.")
}

// readable: every page can be read, on a narrow screen without scrolling sideways, and in
// both colour schemes with the contrast that WCAG asks for.
func readable(b *tab) {
	b.resize(320, 640)
	for _, scheme := range []string{"light", "dark"} {
		b.do("Emulation.setEmulatedMedia", map[string]any{
			"features": []map[string]string{{"name": "prefers-color-scheme", "value": scheme}},
		})
		for _, target := range []string{"/", "/?city=FOLSOM&min_price=1", "/?min_price=x", "/properties/1", "/properties/99"} {
			b.visit(target)
			var wide int
			b.run("document.documentElement.scrollWidth", &wide)
			if wide > 320 {
				b.Errorf("%s is %d pixels wide", target, wide)
			}
			var pale []string
			b.run(paleTexts, &pale)
			if len(pale) > 0 {
				b.Errorf("%s, %s: too little contrast: %q", target, scheme, pale)
			}
		}
	}
}

// paleTexts finds the texts whose contrast with what is behind them is less than
// 4.5 to 1 (WCAG 2.2, 1.4.3).
const paleTexts = `(() => {
	const channels = (colour) => colour.match(/[\d.]+/g).map(Number);
	const luminance = (colour) => {
		const [r, g, b] = channels(colour).map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
		return 0.2126 * r + 0.7152 * g + 0.0722 * b;
	};
	const behind = (element) => {
		for (let e = element; e; e = e.parentElement) {
			const colour = getComputedStyle(e).backgroundColor;
			if (channels(colour)[3] !== 0) return colour;
		}
		return "rgb(255, 255, 255)";
	};
	const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
	const pale = [];
	while (texts.nextNode()) {
		const element = texts.currentNode.parentElement;
		if (texts.currentNode.data.trim() === "" || element.matches("option")) continue;
		const lights = [luminance(getComputedStyle(element).color), luminance(behind(element))].sort((a, b) => b - a);
		if ((lights[0] + 0.05) / (lights[1] + 0.05) < 4.5) pale.push(texts.currentNode.data.trim());
	}
	return pale;
})()`
