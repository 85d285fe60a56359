package schema

import (
	"bufio"
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/freshlist/freshlist/db"
	"github.com/freshlist/freshlist/internal/csvimport"
	"github.com/freshlist/freshlist/internal/listing"
)

// sampleStart is when the first sample listing was made; each later one came
// sampleStep after the one before.
var sampleStart = time.Date(2008, time.May, 15, 0, 0, 0, 0, time.UTC)

const sampleStep = 7 * time.Minute

// Seed fills an empty table with the sample, and tops a table up to rows listings
// by copies of the sample with other prices, positions and dates, the same ones
// each time. It returns how many it added; rows = 0 asks for the sample only. A
// table that has anything in it does not get the sample.
func Seed(ctx context.Context, conn *pgx.Conn, rows int) (added int64, err error) {
	return SeedWithProgress(ctx, conn, rows, nil)
}

// SeedWithProgress is Seed for somebody who wants to see how far it is.
func SeedWithProgress(ctx context.Context, conn *pgx.Conn, rows int, progress *csvimport.Progress) (added int64, err error) {
	sample, err := readSample()
	if err != nil {
		return 0, err
	}
	shipped := Shipped()
	d, _, err := shipped.resolveOn(ctx, conn)
	if err != nil {
		return 0, fmt.Errorf("seed: %w", err)
	}
	site := listing.NewSite(d)
	table := site.Home()
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "lock table public.properties in share row exclusive mode"); err != nil {
			return fmt.Errorf("lock public.properties: %w", err)
		}
		var have int64
		if err := tx.QueryRow(ctx, "select count(*) from public.properties").Scan(&have); err != nil {
			return fmt.Errorf("count the listings: %w", err)
		}
		first, last := have+1, int64(rows)
		if have == 0 {
			last = max(last, int64(len(sample)))
		}
		if last < first {
			return nil
		}
		file, stop := writeListings(sample, have == 0, first, last)
		defer stop()
		s, err := csvimport.Load(ctx, tx, table, file, csvimport.Options{File: "the sample", Progress: progress})
		added = s.Added
		if err != nil || have > 0 {
			return err
		}
		return completeSample(ctx, tx)
	})
	for i := 0; i < len(site.Tables) && err == nil && added > 0; i++ {
		err = csvimport.Analyze(ctx, conn, site.Tables[i], progress)
	}
	if err != nil {
		return 0, fmt.Errorf("seed: %w", err)
	}
	return added, nil
}

// completeSample runs the SQL of the sample, in the order of the files' names. It makes what belongs to
// the listings that have just been put into an empty table: rows of other tables, values of further columns.
func completeSample(ctx context.Context, tx pgx.Tx) error {
	names, err := fs.Glob(db.Sample, "sample/*.sql")
	if err != nil {
		return err
	}
	for _, name := range names {
		text, err := db.Sample.ReadFile(name)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, string(text)); err != nil {
			return fmt.Errorf("execute %s: %w", name, locate(err, string(text)))
		}
	}
	return nil
}

// writeListings writes listings number first to last of the endless sequence that the sample
// begins, as a file to import. Into an empty table they go with their numbers as ids. stop ends
// the writing.
func writeListings(sample []sampleRow, numbered bool, first, last int64) (file io.Reader, stop func()) {
	columns := strings.Fields("title description property_type status price city postal_code bedrooms bathrooms living_area latitude longitude created_at updated_at")
	if numbered {
		columns = append([]string{"id"}, columns...)
	}
	r, w := io.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		buffered := bufio.NewWriterSize(w, 1<<16)
		lines := csv.NewWriter(buffered)
		err := lines.Write(columns)
		for n := first; n <= last && err == nil; n++ {
			values := listingNumber(sample, n).values()
			if numbered {
				values = append([]string{strconv.FormatInt(n, 10)}, values...)
			}
			err = lines.Write(values)
		}
		lines.Flush()
		w.CloseWithError(errors.Join(err, buffered.Flush()))
	}()
	return r, func() {
		r.Close()
		<-done
	}
}

// sampleRow is one listing of the sample, and the time it was made.
type sampleRow struct {
	propertyType, city, postalCode string
	bedrooms                       int16
	bathrooms                      string // decimal
	livingArea                     int32
	price                          int64 // dollars
	latitude, longitude            float64
	made                           time.Time
}

// listingNumber returns listing n of the sequence, counted from 1: the sample
// itself, then the sample again and again with jitter that depends on n alone.
func listingNumber(sample []sampleRow, n int64) sampleRow {
	r := sample[(n-1)%int64(len(sample))]
	r.made = sampleStart.Add(time.Duration(n-1) * sampleStep)
	if n <= int64(len(sample)) {
		return r
	}
	random := rand.New(rand.NewPCG(uint64(n), 2008))
	r.price = max(1000, r.price*(80+random.Int64N(41))/100)
	r.latitude += (random.Float64() - .5) / 50
	r.longitude += (random.Float64() - .5) / 50
	r.made = r.made.Add(-time.Duration(random.Int64N(int64(sampleStep/time.Second))) * time.Second)
	return r
}

// values returns the row as columns from title to updated_at.
func (r sampleRow) values() []string {
	kind := strings.ReplaceAll(r.propertyType, "_", "-")
	title := fmt.Sprintf("%d-bed %s in %s", r.bedrooms, kind, pretty(r.city))
	description := fmt.Sprintf("A %s property with %s and %s on %d square feet. It is in %s, postal code %s.",
		strings.ToLower(kind), plural(strconv.Itoa(int(r.bedrooms)), "bedroom"), plural(r.bathrooms, "bathroom"),
		r.livingArea, pretty(r.city), r.postalCode)
	float := func(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }
	made := r.made.Format(time.RFC3339)
	return []string{
		title, description, r.propertyType, "for_sale", strconv.FormatInt(r.price, 10), r.city, r.postalCode, strconv.Itoa(int(r.bedrooms)),
		r.bathrooms, strconv.Itoa(int(r.livingArea)), float(r.latitude), float(r.longitude), made, made,
	}
}

func plural(n, noun string) string {
	if n != "1" {
		noun += "s"
	}
	return n + " " + noun
}

// pretty turns ELK_GROVE into Elk Grove.
func pretty(name string) string {
	words := strings.Split(strings.ToLower(name), "_")
	for i, w := range words {
		if w != "" {
			words[i] = strings.ToUpper(w[:1]) + w[1:]
		}
	}
	return strings.Join(words, " ")
}

// readSample reads the embedded CSV: city, zip, beds, baths, sqft, type, price,
// latitude, longitude.
func readSample() ([]sampleRow, error) {
	file, err := db.Sample.ReadFile("sample/sacramento.csv")
	if err != nil {
		return nil, fmt.Errorf("read the sample: %w", err)
	}
	records, err := csv.NewReader(bytes.NewReader(file)).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("read the sample: %w", err)
	}
	sample := make([]sampleRow, 0, len(records)-1)
	for i, f := range records[1:] {
		r := sampleRow{city: f[0], postalCode: strings.TrimPrefix(f[1], "z"), bathrooms: f[3], propertyType: f[5]}
		if _, err := fmt.Sscan(strings.Join([]string{f[2], f[4], f[6], f[7], f[8]}, " "),
			&r.bedrooms, &r.livingArea, &r.price, &r.latitude, &r.longitude); err != nil {
			return nil, fmt.Errorf("read the sample, line %d: %w", i+2, err)
		}
		sample = append(sample, r)
	}
	return sample, nil
}
