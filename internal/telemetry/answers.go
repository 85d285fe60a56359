package telemetry

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// Route is what a request asked for, as a template: never the path itself.
type Route uint8

// The routes.
const (
	OtherRoute Route = iota // no route, or one that is not worth a name
	ListRoute
	SummaryRoute
	RowRoute
	ListPageRoute
	RowPageRoute
	PictureRoute
	CreateRoute
	PatchRoute
	DeleteRoute
	StreamRoute
	StaticRoute
	ProbeRoute
	routes
)

// String returns the value of the label route.
func (r Route) String() string {
	return [routes]string{
		"other", "GET /v1/{table}", "GET /v1/{table}/summary", "GET /v1/{table}/{key}", "GET /{table}", "GET /{table}/{key}",
		"GET /{table}/{key}/{file}", "POST /v1/{table}", "PATCH /v1/{table}/{key}", "DELETE /v1/{table}/{key}", "stream", "static", "probe",
	}[r]
}

// Source is where an answer came from.
type Source uint8

// The sources: the levels of the cache, nearest the client first, and what is behind them.
const (
	NoSource Source = iota // it is no answer to a read
	FromL1
	FromView
	FromQueryset
	FromMoment
	FromDatabase
	sources
)

// String returns the value of the label level.
func (s Source) String() string {
	return [sources]string{"none", "l1", "view", "queryset", "moment", "database"}[s]
}

// classes are the classes of status, by the first digit, from 2 on.
const classes = 4

// answerTimes is how long answers took, by what they were. A histogram is there from its first
// answer on: of all that could be there are hundreds, and few are ever used.
type answerTimes struct {
	all   *prometheus.HistogramVec
	known [routes][classes][sources]atomic.Pointer[prometheus.Histogram]
}

func newAnswerTimes(r registry) *answerTimes {
	t := &answerTimes{all: prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "freshlist_http_answer_seconds", Help: "From the first byte of a request to the last of its answer.",
		Buckets: []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
	}, []string{"route", "class", "level"})}
	r.MustRegister(t.all)
	t.of(ListRoute, 0, FromL1) // so that the name is there before the first answer
	return t
}

// of returns the histogram of one kind of answers.
func (t *answerTimes) of(route Route, class int, source Source) prometheus.Histogram {
	at := &t.known[route][class][source]
	if h := at.Load(); h != nil {
		return *h
	}
	h := t.all.WithLabelValues(route.String(), classOf(class), source.String()).(prometheus.Histogram)
	at.Store(&h)
	return h
}

// classOf returns the value of the label class.
func classOf(class int) string { return string(rune('2'+class)) + "xx" }

func (t *answerTimes) observe(route Route, class int, source Source, took time.Duration) {
	t.of(route, class, source).Observe(took.Seconds())
}

// read returns how many answers there were, of whatever kind, and how long they took.
func (t *answerTimes) read() (count uint64, sum buckets) {
	for r := range t.known {
		if Route(r) == StreamRoute {
			continue // it takes as long as somebody listens
		}
		for c := range t.known[r] {
			for s := range t.known[r][c] {
				h := t.known[r][c][s].Load()
				if h == nil {
					continue
				}
				var one dto.Metric
				_ = (*h).Write(&one) // never fails
				count += one.GetHistogram().GetSampleCount()
				sum = sum.plus(one.GetHistogram().GetBucket())
			}
		}
	}
	return count, sum
}
