// Package telemetry is what the processes tell about themselves: logs, and the
// Prometheus metrics. Every metric of freshlist is named here and nowhere else, and
// every label takes its values from a closed set, so that the number of series is
// known in advance.
package telemetry

import (
	"math"
	"net/http"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/freshlist/freshlist/internal/cachestate"
)

// Counter counts events. Counting is one atomic addition.
type Counter struct{ n atomic.Uint64 }

// Inc counts one event.
func (c *Counter) Inc() { c.n.Add(1) }

// Next counts one event, and returns its number.
func (c *Counter) Next() uint64 { return c.n.Add(1) }

// Add counts n events, n >= 0.
func (c *Counter) Add(n int) { c.n.Add(uint64(n)) }

// Value returns the number of events so far.
func (c *Counter) Value() uint64 { return c.n.Load() }

// Gauge is a value that goes up and down.
type Gauge struct{ bits atomic.Uint64 }

// Set sets the value.
func (g *Gauge) Set(v float64) { g.bits.Store(math.Float64bits(v)) }

// Add changes the value by d.
func (g *Gauge) Add(d float64) {
	for {
		bits := g.bits.Load()
		if g.bits.CompareAndSwap(bits, math.Float64bits(math.Float64frombits(bits)+d)) {
			return
		}
	}
}

// Value returns the present value, 0 at first.
func (g *Gauge) Value() float64 { return math.Float64frombits(g.bits.Load()) }

// registry is the metrics of one process.
type registry struct{ *prometheus.Registry }

func newRegistry() registry {
	r := registry{prometheus.NewRegistry()}
	r.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		collectors.NewBuildInfoCollector(),
	)
	return r
}

// Handler answers /metrics.
func (r registry) Handler() http.Handler {
	return promhttp.HandlerFor(r, promhttp.HandlerOpts{Registry: r})
}

// labels are pairs of a label's name and its value.
func (r registry) counter(c *Counter, name, help string, labels ...string) {
	r.MustRegister(prometheus.NewCounterFunc(
		prometheus.CounterOpts{Name: name, Help: help, ConstLabels: pairs(labels)},
		func() float64 { return float64(c.Value()) },
	))
}

func (r registry) gauge(g *Gauge, name, help string) {
	r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, g.Value))
}

// ShowState shows a process's state as freshlist_caching: 1 for the reason that holds, ok if
// the cache is used, and 0 for every other. It may be called once.
func (r registry) ShowState(state *cachestate.State) {
	for _, reason := range append(cachestate.Reasons(), cachestate.OK) {
		r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "freshlist_caching", Help: "Why nothing is cached: 1 for the present reason, ok if the cache is used.",
			ConstLabels: prometheus.Labels{"reason": reason.String()},
		}, func() float64 {
			if state.Present().Reason == reason {
				return 1
			}
			return 0
		}))
	}
}

func (r registry) histogram(name, help string, buckets []float64) prometheus.Histogram {
	h := prometheus.NewHistogram(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets})
	r.MustRegister(h)
	return h
}

func pairs(labels []string) prometheus.Labels {
	m := make(prometheus.Labels, len(labels)/2)
	for i := 0; i+1 < len(labels); i += 2 {
		m[labels[i]] = labels[i+1]
	}
	return m
}
