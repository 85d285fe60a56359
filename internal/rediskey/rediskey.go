// Package rediskey spells every name that freshlist uses in Redis, so that the
// two paths, which meet only there, cannot disagree about one.
//
// A name begins with the deployment's prefix and, in braces, the partition: all
// keys that one script touches hash to one slot of a Redis Cluster. In a cluster some letters
// follow the number: see tags.
package rediskey

import (
	"hash/fnv"
	"strconv"
)

// Space is the set of names of one deployment. Every process of the deployment
// must use the same one.
type Space struct {
	Prefix     string // first word of every name
	Partitions int    // number of partitions, at least 1
	Cluster    bool   // the names are those for a Redis Cluster: its partitions lie evenly over the slots
}

// Partition returns the partition that a query belongs to, 0 <= p < Partitions.
func (s Space) Partition(query string) int {
	if s.Partitions <= 1 {
		return 0
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(query)) // never fails
	return int(h.Sum32() % uint32(s.Partitions))
}

// Formats are the formats that a query can be rendered in, as View spells them.
var Formats = [...]string{"json", "html", "svg"}

// View names the rendered response of a query in one format ("json", "html", "svg").
func (s Space) View(format, query string) string {
	return s.of(s.Partition(query), "view:"+format+":"+query)
}

// Queryset names the rows of a query.
func (s Space) Queryset(query string) string {
	return s.of(s.Partition(query), "queryset:"+query)
}

// Lease names the right to fill a query's entries.
func (s Space) Lease(query string) string {
	return s.of(s.Partition(query), "lease:"+query)
}

// Moment names the view of a query that is kept for its time alone, in one format.
func (s Space) Moment(format, query string) string {
	return s.of(s.Partition(query), "moment:"+format+":"+query)
}

// MomentLease names the right to make the next one.
func (s Space) MomentLease(format, query string) string {
	return s.of(s.Partition(query), "moment-lease:"+format+":"+query)
}

// Live names a partition's sorted set of live queries by registration number.
func (s Space) Live(partition int) string { return s.of(partition, "live") }

// Windows names a partition's hash from live query to page window.
func (s Space) Windows(partition int) string { return s.of(partition, "windows") }

// Beat names a partition's proof of freshness.
func (s Space) Beat(partition int) string { return s.of(partition, "beat") }

// Fence names a partition's hash of leader term, generation, sequence, counts and origin.
func (s Space) Fence(partition int) string { return s.of(partition, "fence") }

// Purged names the channel on which a partition's purged queries are published.
func (s Space) Purged(partition int) string { return s.of(partition, "purged") }

// Process names the row of counters of one API process, which ends soon after the process.
func (s Space) Process(id string) string { return s.of(0, "process:"+id) }

// Processes names the sorted set of the API processes by when each wrote its row last.
func (s Space) Processes() string { return s.of(0, "processes") }

// EntryStems returns what the names of one query's entries begin with, in one
// partition: its queryset, its views and its lease. A query's text appended to a
// stem is a name. Scripts that remove many queries take these instead of every
// single name.
func (s Space) EntryStems(partition int) []string {
	stems := []string{s.of(partition, "queryset:"), s.of(partition, "lease:")}
	for _, format := range Formats {
		stems = append(stems, s.of(partition, "view:"+format+":"))
	}
	return stems
}

// MomentStems returns what the names of one query's moments, and of the rights to make them, begin
// with, in one partition.
func (s Space) MomentStems(partition int) []string {
	var stems []string
	for _, format := range Formats {
		stems = append(stems, s.of(partition, "moment:"+format+":"), s.of(partition, "moment-lease:"+format+":"))
	}
	return stems
}

func (s Space) of(partition int, rest string) string {
	b := make([]byte, 0, len(s.Prefix)+len(rest)+12)
	b = append(b, s.Prefix...)
	b = append(b, ":{"...)
	if s.Cluster && s.Partitions > 1 {
		b = append(b, tags(s.Partitions)[partition]...)
	} else {
		b = appendNumber(b, partition)
	}
	b = append(b, "}:"...)
	return string(append(b, rest...))
}

// appendNumber appends the number of a partition in two digits.
func appendNumber(b []byte, partition int) []byte {
	if partition < 10 {
		b = append(b, '0')
	}
	return strconv.AppendInt(b, int64(partition), 10)
}
