package telemetry

import (
	dto "github.com/prometheus/client_model/go"

	"github.com/freshlist/freshlist/internal/activity"
	"github.com/freshlist/freshlist/internal/cachestate"
)

// Reading is what one process has counted at an instant.
type Reading struct {
	activity.Process
	answers buckets
}

// buckets are how many answers took at most so many seconds, cumulative.
type buckets []*dto.Bucket

// plus adds up two that have the same bounds; it may change the first.
func (b buckets) plus(others buckets) buckets {
	if b == nil {
		return others
	}
	for i, other := range others {
		sum := b[i].GetCumulativeCount() + other.GetCumulativeCount()
		b[i].CumulativeCount = &sum
	}
	return b
}

// Read returns what has been counted. P50 and P99 are of the answers since the reading before.
func (m *API) Read(before Reading) Reading {
	var now Reading
	now.Requests, now.answers = m.took.read()
	now.Reads = m.DatabaseReads.Value()
	now.Levels = make(map[string]activity.Counts, levels)
	for level := range levels {
		now.Levels[level.String()] = activity.Counts{
			Hits: m.cache[level][Hit].Value(), Misses: m.cache[level][Miss].Value(), Bypasses: m.cache[level][Bypass].Value(),
		}
	}
	now.Bypasses = map[string]uint64{}
	for _, reason := range cachestate.Reasons() {
		if n := m.Bypass(reason).Value(); n > 0 {
			now.Bypasses[reason.String()] = n
		}
	}
	some := float64(now.Requests - before.Requests)
	now.P50, now.P99 = now.answers.quantile(before.answers, some, 0.5), now.answers.quantile(before.answers, some, 0.99)
	return now
}

// Delays is how many purges took how long, up to an instant.
type Delays struct {
	Count uint64
	took  buckets
}

// ReadDelays returns how long purges have taken.
func (m *Invalidator) ReadDelays() Delays {
	var delays dto.Metric
	_ = m.delay.Write(&delays) // never fails
	h := delays.GetHistogram()
	return Delays{h.GetSampleCount(), h.GetBucket()}
}

// Since returns how long the q-th part of the purges since an earlier reading took at most, in
// seconds; 0 without any.
func (d Delays) Since(before Delays, q float64) float64 {
	return d.took.quantile(before.took, float64(d.Count-before.Count), q)
}

// quantile returns how long the q-th part of some answers took at most, those since before. In
// a bucket they are taken to be spread evenly; what took longer than the last one's bound counts
// as that. It is 0 without any.
func (b buckets) quantile(before buckets, some, q float64) float64 {
	if some <= 0 {
		return 0
	}
	var below, bound float64
	for i, bucket := range b {
		n := float64(bucket.GetCumulativeCount())
		if i < len(before) {
			n -= float64(before[i].GetCumulativeCount())
		}
		if n >= q*some {
			return bound + (bucket.GetUpperBound()-bound)*(q*some-below)/(n-below)
		}
		below, bound = n, bucket.GetUpperBound()
	}
	return bound
}
