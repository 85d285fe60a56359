package activity

import (
	"cmp"
	"slices"
	"time"
)

// Process is the row of counters of one API process. Counts are of the time since Started; two
// rows of a process, read one after the other, give rates: see Between.
type Process struct {
	ID       string            `json:"id"`      // random, another one after a restart
	Host     string            `json:"host"`    // the machine's name
	PID      int               `json:"pid"`     //
	Address  string            `json:"address"` // that it serves on
	Version  string            `json:"version"`
	Started  time.Time         `json:"started"`
	At       time.Time         `json:"at"`      // when the row was written, by the process's clock
	Caching  bool              `json:"caching"` // whether it uses the cache
	Reason   string            `json:"reason"`  // why not; "ok" if it does
	Requests uint64            `json:"requests"`
	Levels   map[string]Counts `json:"levels"`         // l1, view, queryset
	Bypasses map[string]uint64 `json:"bypasses"`       // by reason; without those that are 0
	Reads    uint64            `json:"database_reads"` // of PostgreSQL
	P50      float64           `json:"p50_seconds"`    // of the answers since the row before; 0 without any
	P99      float64           `json:"p99_seconds"`    // likewise
	MostRead []Reads           `json:"most_read"`      // of the last minute about, the most read first; a sample
}

// Reads is how often a query was read.
type Reads struct {
	Query string  `json:"query"` // the canonical text
	Rate  float64 `json:"per_second"`
}

// MostNamed is how many queries are named of those read most, or purged most.
const MostNamed = 10

// Counts is what asking one level of the cache has come to.
type Counts struct {
	Hits     uint64 `json:"hits"`
	Misses   uint64 `json:"misses"`
	Bypasses uint64 `json:"bypasses"`
}

// HitRatio returns hits by hits and misses; 0 without any.
func (c Counts) HitRatio() float64 {
	if c.Hits == 0 {
		return 0
	}
	return float64(c.Hits) / float64(c.Hits+c.Misses)
}

// Levels are the names of the cache's levels, nearest the client first.
var Levels = [...]string{"l1", "view", "queryset"}

// Traffic is what all API processes together did in some time.
type Traffic struct {
	Seconds   float64           `json:"seconds"`
	Processes int               `json:"processes"` // that have written a row
	Caching   int               `json:"caching"`   // of them, those that use the cache
	Requests  uint64            `json:"requests"`
	Reads     uint64            `json:"database_reads"`
	Levels    map[string]Counts `json:"levels"`
	Bypasses  map[string]uint64 `json:"bypasses"`
	P50       float64           `json:"p50_seconds"` // the median of the processes' own
	P99       float64           `json:"p99_seconds"` // the worst of the processes' own
	MostRead  []Reads           `json:"most_read"`   // of those that the processes name
}

// Between returns what happened from one reading of the rows to a later one. Of a process that
// is in the later one alone, all that it has counted belongs to it.
func Between(before, after []Process) Traffic {
	t := Traffic{Processes: len(after), Levels: map[string]Counts{}, Bypasses: map[string]uint64{}}
	known := make(map[string]Process, len(before))
	for _, p := range before {
		known[p.ID] = p
	}
	var medians []float64
	read := map[string]float64{}
	for _, p := range after {
		was := known[p.ID]
		if p.Caching {
			t.Caching++
		}
		t.Requests += p.Requests - was.Requests
		t.Reads += p.Reads - was.Reads
		for level, n := range p.Levels {
			w, sum := was.Levels[level], t.Levels[level]
			sum.Hits += n.Hits - w.Hits
			sum.Misses += n.Misses - w.Misses
			sum.Bypasses += n.Bypasses - w.Bypasses
			t.Levels[level] = sum
		}
		for reason, n := range p.Bypasses {
			if more := n - was.Bypasses[reason]; more > 0 {
				t.Bypasses[reason] += more
			}
		}
		since := p.Started
		if was.ID != "" {
			since = was.At
		}
		t.Seconds = max(t.Seconds, p.At.Sub(since).Seconds())
		for _, r := range p.MostRead {
			read[r.Query] += r.Rate
		}
		if p.Requests > was.Requests && p.P50 > 0 {
			medians = append(medians, p.P50)
			t.P99 = max(t.P99, p.P99)
		}
	}
	if len(medians) > 0 {
		slices.SortFunc(medians, cmp.Compare[float64])
		t.P50 = medians[len(medians)/2]
	}
	t.MostRead = mostRead(read)
	return t
}

// mostRead returns those of some queries that are read most, by how often that is.
func mostRead(rates map[string]float64) []Reads {
	most := make([]Reads, 0, len(rates))
	for query, rate := range rates {
		most = append(most, Reads{query, rate})
	}
	slices.SortFunc(most, func(a, b Reads) int {
		return cmp.Or(cmp.Compare(b.Rate, a.Rate), cmp.Compare(a.Query, b.Query))
	})
	return most[:min(len(most), MostNamed)]
}
