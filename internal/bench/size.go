package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/schema"
)

// sizeRows is how many listings the large table has, and rareRows how many of them have the rare word.
const sizeRows, rareRows = 1_000_000, 20

// search is a search of the large table.
type search struct {
	what, query string
	words       string  // that stand in the titles
	target      float64 // milliseconds
	finds       func(rows int) int
}

// searches are for what titleOf puts into titles.
var searches = []search{
	{"a rare word", "q=observatory", "observatory", 20, func(int) int { return rareRows }},
	{"a word of 2 % of the listings, by price", "q=veranda&sort=price", "veranda", 300, func(rows int) int { return rows / 50 }},
	{"a phrase", "q=" + url.QueryEscape(`"walled garden"`), "walled garden", 100, func(rows int) int { return rows / 1000 }},
}

// titleOf returns the title of listing n, counted from 1. The words of the phrase are in 1 % of the
// titles, and next to each other in a tenth of these.
func titleOf(n, rows int) string {
	with := ""
	switch {
	case n%(rows/rareRows) == 0:
		with = " with observatory"
	case n%50 == 1:
		with = " with veranda"
	case n%1000 == 2:
		with = " with walled garden"
	case n%100 == 2:
		with = " with garden, walled"
	}
	return fmt.Sprintf("Listing %d in %s%s", n, cities[n%len(cities)], with)
}

// size measures an import of very many listings, and searches among them that no cache answers.
func (b *bench) size(ctx context.Context) error {
	const database = "size"
	if err := b.copy(ctx, database); err != nil {
		return err
	}
	err := b.on(ctx, b.owner(database), func(conn *pgx.Conn) error {
		if _, err := conn.Exec(ctx, "truncate properties"); err != nil {
			return err
		}
		_, err := schema.Install(ctx, conn)
		return err
	})
	if err != nil {
		return err
	}
	rows := b.times(sizeRows, 2000)
	if err := b.importing(ctx, database, rows); err != nil {
		return err
	}
	// As autovacuum does sooner or later.
	if err := b.exec(ctx, database, "vacuum properties"); err != nil {
		return err
	}
	api, err := b.api(ctx, "CACHE=off", "DATABASE_URL="+b.postgres.Roles(database).API)
	if err != nil {
		return err
	}
	for _, s := range searches {
		if err := b.searching(api, s, rows); err != nil {
			return fmt.Errorf("%s: %w", s.query, err)
		}
	}
	return nil
}

// importing measures an import into a table that is empty.
func (b *bench) importing(ctx context.Context, database string, rows int) error {
	file := filepath.Join(b.dir, "listings.csv")
	b.say("writing a file of %d listings", rows)
	if err := writeListings(file, rows); err != nil {
		return err
	}
	defer os.Remove(file)
	b.say("importing it")
	cmd := exec.CommandContext(ctx, b.programs.api, "import", file, "-o", "json")
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "DATABASE_URL=" + b.owner(database)}
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	began := time.Now()
	said, err := cmd.Output()
	took := time.Since(began).Seconds()
	if err != nil {
		return fmt.Errorf("import: %w: %s", err, &complaints)
	}
	var summary struct{ Added int }
	if err := json.Unmarshal(said, &summary); err != nil || summary.Added != rows {
		return errors.Join(err, fmt.Errorf("the import says %s, not that it has added %d rows", said, rows))
	}
	b.add(fmt.Sprintf("import of %d listings into an empty table", rows), seconds, sample{took}, atMost(60), "%.0f rows/s", float64(rows)/took)
	return nil
}

// writeListings writes a file to import.
func writeListings(path string, rows int) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	buffered := bufio.NewWriterSize(f, 1<<20)
	return errors.Join(encodeListings(buffered, rows), buffered.Flush(), f.Close())
}

func encodeListings(to io.Writer, rows int) error {
	lines := csv.NewWriter(to)
	err := lines.Write([]string{
		"id", "title", "description", "property_type", "price", "city", "postal_code", "bedrooms", "bathrooms", "living_area",
		"year_built", "latitude", "longitude", "created_at",
	})
	random := rand.New(rand.NewPCG(11, 12))
	start := time.Date(2008, time.May, 15, 0, 0, 0, 0, time.UTC)
	degrees := func(from float64) string { return strconv.FormatFloat(from+random.Float64(), 'f', 6, 64) }
	for n := 1; n <= rows && err == nil; n++ {
		bedrooms, area, postalCode := 1+random.IntN(6), 500+random.IntN(4000), strconv.Itoa(95_600+random.IntN(300))
		err = lines.Write([]string{
			strconv.Itoa(n), titleOf(n, rows),
			fmt.Sprintf("A property with %d bedrooms on %d square feet, postal code %s.", bedrooms, area, postalCode),
			[]string{"Residential", "Condo", "Multi-Family"}[random.IntN(3)], strconv.Itoa(40_000 + random.IntN(900_000)), cities[n%len(cities)],
			postalCode, strconv.Itoa(bedrooms), strconv.Itoa(1 + random.IntN(4)), strconv.Itoa(area), strconv.Itoa(1900 + random.IntN(120)),
			degrees(38), degrees(-122), start.Add(time.Duration(n) * time.Minute).Format(time.RFC3339),
		})
	}
	lines.Flush()
	return errors.Join(err, lines.Error())
}

// searching measures a search, and returns an error if it finds what it should not.
func (b *bench) searching(api *process, s search, rows int) error {
	l, err := dial(api.addr, 1)
	if err != nil {
		return err
	}
	defer l.close()
	target := "/v1/properties?" + s.query
	if err := s.check(l, target, rows); err != nil {
		return err
	}
	request := get(target)
	var took sample
	for range b.times(15, 3) {
		began := time.Now()
		a, err := l.do(request)
		took = append(took, time.Since(began).Seconds()*1000)
		if err != nil || string(a.status) != "200" || a.hit() {
			return errors.Join(err, fmt.Errorf("status %s, Cache-Status %s: %.200s", a.status, a.cacheStatus, a.body))
		}
	}
	b.add(fmt.Sprintf("search of %d listings for %s", rows, s.what), milliseconds, took, atMost(s.target), "%d found; CACHE=off", s.finds(rows))
	return nil
}

// check returns an error if a search does not find what it should.
func (s search) check(l *load, target string, rows int) error {
	a, err := l.do(get(target + "&count=true"))
	if err != nil {
		return err
	}
	var found struct {
		Items []struct{ Title string }
		Count int
	}
	if err := json.Unmarshal(a.body, &found); err != nil {
		return fmt.Errorf("%w: %.200s", err, a.body)
	}
	if want := s.finds(rows); found.Count != want || len(found.Items) != min(want, listing.DefaultLimit) {
		return fmt.Errorf("it finds %d listings, not %d, and shows %d", found.Count, want, len(found.Items))
	}
	for _, item := range found.Items {
		if !strings.Contains(item.Title, s.words) {
			return fmt.Errorf("it finds %q", item.Title)
		}
	}
	return nil
}
