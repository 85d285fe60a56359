// Package browser shows that the pages work in a real browser, with JavaScript
// and without, on the real server and a real database.
package browser

import (
	"context"
	"errors"
	"log/slog"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/pgtest"
	"github.com/freshlist/freshlist/internal/schema"
	"github.com/freshlist/freshlist/internal/serve"
	"github.com/freshlist/freshlist/internal/serve/database"
	"github.com/freshlist/freshlist/internal/serve/readthrough"
	"github.com/freshlist/freshlist/internal/serve/render"
	"github.com/freshlist/freshlist/internal/telemetry"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// server starts an API on a database of its own, with the sample listings, and
// returns its address.
func server(t *testing.T) string {
	t.Helper()
	return serverOf(t, serve.Options{})
}

// serverOf is server with some options.
func serverOf(t *testing.T, options serve.Options) string {
	t.Helper()
	url := pgtest.Shared(t).Clone(t, "pages", func(ctx context.Context, url string) error {
		if err := schema.Up(ctx, url); err != nil {
			return err
		}
		conn, err := pgx.Connect(ctx, url)
		if err != nil {
			return err
		}
		_, err = schema.Seed(ctx, conn, 0)
		return errors.Join(err, conn.Close(ctx))
	})
	pool, err := database.Open(database.Config{URL: url, Application: "test", MaxConns: 4, Timeout: time.Minute})
	if err != nil {
		t.Fatalf("open pool: %v", err)
	}
	t.Cleanup(pool.Close)
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	described, err := schema.ReadDescription(t.Context(), conn) // the one that ships
	if err != nil {
		t.Fatal(err)
	}
	options.Site = listing.NewSite(described)
	options.Metrics, options.Timeout, options.Log = telemetry.NewAPI(), time.Minute, slog.New(slog.DiscardHandler)
	options.Reads = readthrough.New(readthrough.Config{
		Source:  database.NewReader(pool, func() {}),
		Render:  render.Body,
		Site:    func() *listing.Site { return options.Site },
		Metrics: options.Metrics, Bound: time.Second, Timeout: time.Minute, Off: true,
	})
	s := httptest.NewServer(serve.New(options))
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
		"many boxes":         manyBoxes,
		"readable":           readable,
	} {
		t.Run(name, func(t *testing.T) { test(open(t, c, base)) })
	}
}

func withJavaScript(b *tab) {
	b.visit("/")
	b.until("document.querySelector('[data-totals]').innerText !== ''")
	b.says("[data-totals]", "932 properties, $30,000 to $884,790, on average $246,662")
	b.until("document.querySelector('[data-facet=by_city] .check')")
	if cities := b.texts("[data-facet=by_city] .check"); len(cities) != 37 || cities[0] != "Sacramento\n438" {
		b.Errorf("the cities are %q", cities)
	}
	b.until("document.querySelector('[data-facet=by_property_type] .check')")
	b.list("[data-facet=by_property_type] .check", "Residential\n866", "Condo\n53", "Multi-Family\n13")
	b.until("document.querySelector('[name=min_bedrooms]').innerText.includes('(')")
	b.list("[name=min_bedrooms] option", "Any", "1 (932)", "2 (918)", "3 (778)", "4 (343)", "5 (75)", "6 (5)", "8 (1)")

	b.click("[name=city][value=ELK_GROVE]")
	b.fill("max_price", "$300,000")
	b.follow(func() { b.click("form button") })
	b.at("/?max_price=300000&city=ELK_GROVE")
	b.says("h1", "Properties in Elk Grove")
	b.until("document.querySelector('[data-totals]').innerText !== ''")
	b.says("[data-totals]", "83 properties, $71,000 to $300,000, on average $225,500")
	b.until("document.querySelector('[data-facet=by_city] .check')")
	if cities := b.texts("[data-facet=by_city] .check"); cities[0] != "Elk Grove\n83" || cities[1] != "Sacramento\n379" {
		b.Errorf("the cities are %q", cities)
	}
	b.list(".chips a", "Remove filter:\nElk Grove\n×", "Remove filter:\nUp to $300,000\n×", "Clear all")

	b.follow(func() { b.click(".sorts li:nth-child(3) a") })
	b.at("/?city=ELK_GROVE&max_price=300000&sort=-price")
	b.says(".card .price", "$300,000")
	first := b.texts(".card a")
	b.follow(func() { b.click(".pager .next") })
	if n := len(b.texts(".card")); n != 20 || !strings.Contains(b.target(), "&cursor=") || slices.Equal(b.texts(".card a"), first) {
		b.Errorf("%d homes on the second page, %s", n, b.target())
	}
	b.follow(func() { b.click(".pager a") })
	b.at("/?city=ELK_GROVE&max_price=300000&sort=-price")
	b.follow(func() { b.click(".card h3 a") })
	b.at("/properties/729")
	b.says(".property .price", "$300,000\nFor sale")
}

func withoutJavaScript(b *tab) {
	b.do("Emulation.setScriptExecutionDisabled", map[string]any{"value": true})

	b.visit("/")
	b.says("[data-totals]", "")
	if n := len(b.texts(".card")); n != 20 {
		b.Errorf("%d homes on the first page", n)
	}
	b.fill("city", "ELK_GROVE")
	b.click("[name=status][value=for_sale]")
	b.follow(func() { b.click("form button") })
	b.says("h1", "Properties in Elk Grove")
	b.list(".chips a", "Remove filter:\nElk Grove\n×", "Remove filter:\nFor sale\n×", "Clear all")
	b.follow(func() { b.click(".pager .next") })
	if n := len(b.texts(".card")); n != 20 {
		b.Errorf("%d homes on the second page", n)
	}
	b.follow(func() { b.click(".pager a") })
	b.at("/?city=ELK_GROVE&status=for_sale")
	b.follow(func() { b.click(".card .where a:nth-of-type(2)") })
	b.at("/?city=ELK_GROVE&status=for_sale")
	b.follow(func() { b.click(".card h3 a") })
	b.at("/properties/931")
	b.says("h1", "4-bed Residential in Elk Grove")
	b.follow(func() { b.click(".trail a:nth-of-type(2)") })
	b.at("/?city=ELK_GROVE")

	b.visit("/")
	b.fill("city", "Elk Grove") // as the page prints it
	b.follow(func() { b.click("form button") })
	b.says("h1", "Properties in Elk Grove")
	if n := len(b.texts(".card")); n != 20 {
		b.Errorf("%d homes in Elk Grove", n)
	}
	b.list(".chips a", "Remove filter:\nElk Grove\n×", "Clear all")
	first := b.texts(".card a")
	b.follow(func() { b.click(".pager .next") })
	b.follow(func() { b.click(".pager [rel=prev]") })
	if !slices.Equal(b.texts(".card a"), first) || len(b.texts(".pager [rel=prev]")) != 0 {
		b.Errorf("the page before the second is not the first: %s", b.target())
	}
}

// manyBoxes: a form offers no box that its own request would be refused for.
func manyBoxes(b *tab) {
	b.visit("/")
	b.until("document.querySelector('[data-facet=by_city] .check')")
	b.run("[...document.querySelectorAll('[data-facet=by_city] input')].slice(0, 20).forEach((box) => box.click())", nil)
	free := "document.querySelectorAll('[data-facet=by_city] input:not(:disabled)').length"
	var n int
	if b.run(free, &n); n != 20 {
		b.Errorf("%d boxes can be chosen or given up", n)
	}
	b.says("[data-facet=by_city] .hint", "At most 20 can be chosen.")
	b.run("document.querySelector('[data-facet=by_city] input').click()", nil)
	if b.run(free, &n); n != 37 {
		b.Errorf("%d boxes can be chosen when one is given up", n)
	}
	b.run("document.querySelector('[data-facet=by_city] input').click()", nil)
	b.follow(func() { b.click("form button") })
	b.says("h1", "Properties in Antelope, Auburn, Cameron Park and 17 other places")
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
	b.says(".empty p", "No property matches all of these filters.")

	b.visit("/?city=ELK_GROVE,GALT&min_price=much") // the boxes are there, as they were chosen
	b.until("document.querySelector('[data-facet=by_city] .check')")
	b.until("document.querySelector('[name=min_bedrooms]').innerText.includes('(')")
	var chosen []string
	b.run("[...document.querySelectorAll('[data-facet=by_city] :checked')].map((box) => box.parentElement.firstChild.nextSibling.data)", &chosen)
	if !slices.Equal(chosen, []string{"Elk Grove", "Galt"}) {
		b.Errorf("the chosen cities are %q", chosen)
	}
	var many []string
	for c := 'A'; c <= 'U'; c++ {
		many = append(many, string(c))
	}
	b.visit("/?city=" + strings.Join(many, ","))
	b.until("document.querySelector('[data-facet=by_city] .check')")
	b.says("[data-facet=by_city] .hint", "21 are chosen. At most 20 can be chosen.")
	b.says("#f-city .fault", "Must be at most 20 values")
	b.click(".faults a")
	b.run("document.querySelector(':target').id", &many[0])
	if many[0] != "f-city" {
		b.Errorf("the fault leads to %q", many[0])
	}
}

// readable: every page can be read, on a narrow screen without scrolling sideways, and in
// both colour schemes with the contrast that WCAG asks for.
func readable(b *tab) {
	b.resize(320, 640)
	for _, scheme := range []string{"light", "dark"} {
		b.do("Emulation.setEmulatedMedia", map[string]any{
			"features": []map[string]string{{"name": "prefers-color-scheme", "value": scheme}},
		})
		for _, target := range []string{
			"/", "/?city=FOLSOM&min_price=1", "/?min_price=x",
			"/?city=LLANFAIRPWLLGWYNGYLLGOGERYCH&property_type=Floccinaucinihilipilification&q=Donaudampfschifffahrtsgesellschaft",
			"/properties/1", "/properties/99"} {
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
