package activity

import (
	"cmp"
	"encoding/json"
	"slices"
)

// Purges is what was purged while somebody listened.
type Purges struct {
	Changes int          `json:"changes"`
	Purged  int          `json:"purged"`
	Spared  int          `json:"spared"`
	Most    []PurgeCount `json:"most_purged"`
}

// PurgeCount is how often a query was purged, as far as the stream named it.
type PurgeCount struct {
	Query string `json:"query"`
	Times int    `json:"times"`
}

// PurgeCounter counts what the events of a Stream say. The zero PurgeCounter is ready for use; it
// is not safe for concurrent use.
type PurgeCounter struct {
	sums  Purges
	times map[string]int
}

// mostCounted is how many queries are counted one by one.
const mostCounted = 100_000

// Add counts one event.
func (c *PurgeCounter) Add(name string, data []byte) {
	switch name {
	case EventOmitted:
		var o Omitted
		if json.Unmarshal(data, &o) == nil {
			c.sums.Changes += o.Changes
		}
	case EventChange:
		var change Change
		if json.Unmarshal(data, &change) == nil {
			c.AddChange(&change)
		}
	}
}

// AddChange counts one change.
func (c *PurgeCounter) AddChange(change *Change) {
	if c.times == nil {
		c.times = map[string]int{}
	}
	c.sums.Changes++
	c.sums.Purged += change.Purged
	c.sums.Spared += change.Spared
	for i := range change.Queries {
		q := &change.Queries[i]
		if q.Purged && (c.times[q.Query] > 0 || len(c.times) < mostCounted) {
			c.times[q.Query]++
		}
	}
}

// Read returns the counts so far, with so many of the queries purged most.
func (c *PurgeCounter) Read(most int) Purges {
	now := c.sums
	now.Most = make([]PurgeCount, 0, len(c.times))
	for q, n := range c.times {
		now.Most = append(now.Most, PurgeCount{q, n})
	}
	slices.SortFunc(now.Most, func(a, b PurgeCount) int {
		return cmp.Or(cmp.Compare(b.Times, a.Times), cmp.Compare(a.Query, b.Query))
	})
	now.Most = now.Most[:min(len(now.Most), most)]
	return now
}
