package telemetry

import "github.com/prometheus/client_golang/prometheus"

// Pool is what a pool of connections has at an instant.
type Pool struct {
	Used, Idle, Limit int
	Waits             uint64 // how often nobody was free at once
}

// The pools.
const (
	PostgreSQL = "postgresql"
	Redis      = "redis"
)

// ShowPool shows a pool, which is asked at each scrape.
func (r registry) ShowPool(name string, read func() Pool) {
	pool := prometheus.Labels{"pool": name}
	gauge := func(metric, help string, labels prometheus.Labels, value func(Pool) int) {
		r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: metric, Help: help, ConstLabels: labels},
			func() float64 { return float64(value(read())) }))
	}
	const connections, help = "freshlist_pool_connections", "Connections of a pool, used or idle."
	gauge(connections, help, prometheus.Labels{"pool": name, "state": "used"}, func(p Pool) int { return p.Used })
	gauge(connections, help, prometheus.Labels{"pool": name, "state": "idle"}, func(p Pool) int { return p.Idle })
	gauge("freshlist_pool_limit", "Most connections that a pool may have.", pool, func(p Pool) int { return p.Limit })
	r.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "freshlist_pool_waits_total", Help: "Times that no connection of a pool was free at once.", ConstLabels: pool,
	}, func() float64 { return float64(read().Waits) }))
}

// ShowL1 shows the cache in the process, which is asked at each scrape.
func (m *API) ShowL1(read func() (entries int, bytes uint64)) {
	m.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "freshlist_l1_entries", Help: "Answers in the cache of the process."},
			func() float64 { n, _ := read(); return float64(n) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "freshlist_l1_bytes", Help: "About how much memory they take."},
			func() float64 { _, n := read(); return float64(n) }),
	)
}

// ShowBreakers shows for how many partitions Redis is left alone since it has failed.
func (m *API) ShowBreakers(open func() int) {
	m.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "freshlist_redis_breakers_open", Help: "Partitions for which Redis is left alone since it has failed repeatedly.",
	}, func() float64 { return float64(open()) }))
}
