package explain

import (
	"context"
	"slices"
	"time"

	"github.com/freshlist/freshlist/internal/invalidate/match"
	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/rediscache"
)

// Address is what is known of the answer to an address.
type Address struct {
	Query     string   `json:"query"`  // its canonical text
	Format    string   `json:"format"` // of the address: json, html
	Cached    bool     `json:"cached"` // a hit in Redis now, in this format
	Served    bool     `json:"served"` // there is a living proof of freshness: what is cached may be served
	Live      bool     `json:"live"`   // registered, so that changes are matched against it
	Filling   bool     `json:"filling"`
	Values    []Value  `json:"values"` // what Redis holds of it
	Window    string   `json:"window"` // how far the page reaches; "" for what is no page
	Wide      bool     `json:"wide"`   // the window has no end
	PurgedBy  []string `json:"purged_by"`
	BeatAge   *float64 `json:"beat_age_seconds"` // null without a living beat
	InProcess string   `json:"l1"`               // what can be said of the caches in the API processes
}

// Value is one value in Redis.
type Value struct {
	Level string     `json:"level"` // view or queryset
	Name  string     `json:"name"`  // the format of a view, or queryset
	Valid bool       `json:"valid"` // of the present generation of its partition
	Bytes int        `json:"bytes"`
	Since *time.Time `json:"since"` // when its rows began to be read; null if unknown
	TTL   float64    `json:"ttl_seconds"`
}

// URL says what is known of the answer to an address.
func URL(ctx context.Context, site *listing.Site, cache Cache, address string) (Address, error) {
	q, format, err := site.ParseAddress(address)
	if err != nil {
		return Address{}, err
	}
	held, err := rediscache.ReadHeld(ctx, cache.Redis, cache.Space, q.String())
	if err != nil {
		return Address{}, err
	}
	window, err := listing.ParseWindow(held.Window)
	if err != nil {
		window = listing.Window{}
	}
	live := match.NewRegistry(site).Live(q.String(), window)
	a := Address{
		Query: q.String(), Format: format, Live: held.Live, Filling: held.Lease > 0, Values: []Value{},
		Served: held.Beat != nil && held.Beat.Generation == held.Generation, Window: live.Covers(), PurgedBy: live.Causes(),
	}
	a.Wide = a.Window != "" && !window.Bounded
	if held.Beat != nil {
		age := float64(held.Now.UnixMicro()-held.Beat.Noted) / 1e6
		a.BeatAge = &age
	}
	for _, v := range held.Values {
		value := Value{Level: "view", Name: v.Name, Valid: v.Valid, Bytes: v.Bytes, TTL: v.TTL.Seconds()}
		if v.Name == rediscache.QuerysetName {
			value.Level = v.Name
		}
		if since, known := v.Since(held.Now); known {
			value.Since = &since
		}
		a.Values = append(a.Values, value)
		a.Cached = a.Cached || v.Valid && a.Served && v.Name == format
	}
	a.InProcess = "an API process may hold it for as long as the proof of freshness lasts under which it was read"
	if held.Beat != nil {
		a.InProcess += ", " + held.Beat.Bound.String() + " at most"
	}
	return a, nil
}

// InWords says whether the answer is cached.
func (a Address) InWords() string {
	switch {
	case a.Cached:
		return "yes, as " + a.Format
	case slices.ContainsFunc(a.Values, func(v Value) bool { return v.Valid && v.Name == a.Format }):
		return "yes, as " + a.Format + ", and not served: there is no proof of freshness"
	case slices.ContainsFunc(a.Values, func(v Value) bool { return v.Valid }):
		return "not as " + a.Format + "; its rows are: the next request renders them"
	}
	return "no: the next request reads the database"
}
