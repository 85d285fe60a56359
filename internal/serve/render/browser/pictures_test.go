package browser

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/freshlist/freshlist/db"
	"github.com/freshlist/freshlist/internal/coherence/deployment"
	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/schema"
)

// TestPictures records the pictures of the documents: PICTURES says into which folder (make
// pictures). Nothing is judged.
func TestPictures(t *testing.T) {
	folder := os.Getenv("PICTURES")
	if folder == "" {
		t.Skip("it records pictures: make pictures")
	}
	t.Run("dashboard", func(t *testing.T) { dashboardPictures(t, folder) })
	t.Run("list", func(t *testing.T) { listPicture(t, folder) })
}

// dashboardPictures records the dashboard while somebody reads and edits.
func dashboardPictures(t *testing.T, folder string) {
	o := dashboards(t)
	stop := make(chan struct{})
	finished := make(chan struct{})
	go func() { defer close(finished); traffic(o, stop) }()
	defer func() { close(stop); <-finished }()
	b := open(t, start(t), o.url)
	for i, shot := range []struct {
		name, scheme  string
		width, height int
	}{
		{"dashboard", "light", 1280, 860}, {"dashboard-dark", "dark", 1280, 860},
	} {
		b.resize(shot.width, shot.height)
		b.do("Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{{"name": "prefers-color-scheme", "value": shot.scheme}}})
		b.visit("/")
		if i == 0 { // the curves become full
			for range 3 {
				b.run("new Promise((done) => setTimeout(done, 42000))", nil)
			}
		}
		b.until("document.querySelectorAll('.entry.new').length > 6")
		b.click(".entry:nth-child(2) summary")
		b.shoot(filepath.Join(folder, shot.name+".png"))
	}
}

// listPicture records an open page just after an SQL edit of one of its rows, which it marks.
func listPicture(t *testing.T, folder string) {
	d := deployment.New(t, deployment.Options{})
	done, err := schema.InstallFile(t.Context(), d.Connect(), schema.File{Name: "listings.yaml", Text: db.Listings})
	d.Must(err)
	d.Site = listing.NewSite(done.Description)
	d.Seed(0)
	d.Invalidate()
	list := open(t, start(t), d.API().Serve().URL)
	list.resize(1280, 860)
	list.visit("/?city=FOLSOM&sort=-price")
	list.isLive()
	list.run("document.querySelector('details.map').open = false", nil)
	list.run("document.querySelector('.card').scrollIntoView({block: 'center', behavior: 'instant'})", nil)
	d.Exec("update properties set price = price + 1000 where id = (select id from properties where city = 'FOLSOM' order by price desc, id desc limit 1 offset 1)")
	list.until("document.querySelectorAll('.changed').length > 0")
	list.shoot(filepath.Join(folder, "list.png"))
}

// shoot writes a picture of what the window shows.
func (b *tab) shoot(path string) {
	b.Helper()
	var picture struct{ Data string }
	b.result(&picture, "Page.captureScreenshot", map[string]any{"format": "png"})
	png, err := base64.StdEncoding.DecodeString(picture.Data)
	if err == nil {
		err = os.WriteFile(path, png, 0o644)
	}
	if err != nil {
		b.Fatal(err)
	}
}

// traffic reads and edits until stop is closed.
func traffic(o *opened, stop <-chan struct{}) {
	client := &http.Client{Timeout: 5 * time.Second}
	defer client.CloseIdleConnections()
	random := rand.New(rand.NewPCG(1, 2))
	pages := []string{"/", "/v1/properties?city=FOLSOM", "/?city=ELK_GROVE&sort=price", "/v1/properties/summary", "/v1/properties?sort=-price&limit=5", "/v1/properties/932", "/?min_price=300000"}
	for n := 0; ; n++ {
		page := pages[min(random.IntN(len(pages)), random.IntN(len(pages)))]
		if random.IntN(3) == 0 {
			page = fmt.Sprint("/v1/properties/", 1+random.IntN(932))
		}
		if resp, err := client.Get(o.api.URL + page); err == nil {
			_ = resp.Body.Close()
		}
		if n%25 == 0 {
			id := 1 + random.IntN(932)
			if random.IntN(2) == 0 {
				id = 925 + random.IntN(8)
			}
			if random.IntN(4) == 0 {
				o.Exec("update properties set status = case status when 'sold' then 'for_sale' else 'sold' end where id = $1", id)
			} else {
				o.Exec("update properties set price = price + 500 where id = $1", id)
			}
		}
		select {
		case <-stop:
			return
		case <-time.After(time.Duration(4+random.IntN(12)) * time.Millisecond):
		}
	}
}
