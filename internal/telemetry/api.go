package telemetry

import (
	"time"

	"github.com/freshlist/freshlist/internal/cachestate"
)

// Level is a level of the cache.
type Level uint8

// The levels of the cache, nearest the client first.
const (
	L1 Level = iota
	View
	Queryset
	levels
)

// String returns the value of the label level.
func (l Level) String() string { return [levels]string{"l1", "view", "queryset"}[l] }

// Result is what asking a level came to.
type Result uint8

// The results of asking a level.
const (
	Hit Result = iota
	Miss
	Bypass
	results
)

// String returns the value of the label result.
func (r Result) String() string { return [results]string{"hit", "miss", "bypass"}[r] }

// StandbyResult is what asking a standby came to.
type StandbyResult uint8

// The results of asking a standby. All but the first are answered by the primary.
const (
	StandbyUsed StandbyResult = iota
	StandbyBehind
	StandbyConflict
	StandbyFailed
	standbyResults
)

// String returns the value of the label result.
func (r StandbyResult) String() string {
	return [standbyResults]string{"used", "behind", "conflict", "failed"}[r]
}

// API is the metrics of one API process.
type API struct {
	registry
	DatabaseReads    Counter // reads of listings that PostgreSQL answered or refused
	TokenReads       Counter // questions to PostgreSQL for requests with a Consistency-Token
	Moments          Counter // answers that are fresh by their time alone
	UnassignedTokens Counter // requests whose token PostgreSQL has not given out
	Streams          Gauge   // open streams of changes
	StreamsRefused   Counter // because as many were open as may be
	StreamReads      Counter // of answers, for streams
	RateLimited      Counter // requests refused, since their client has made as many as RATE_LIMIT says
	StandbyLag       Gauge   // bytes of the log that a standby had still to replay
	standbys         [standbyResults]Counter
	cache            [levels][results]Counter
	bypasses         []Counter // by cachestate.Reason
	answers          [classes]Counter
	took             *answerTimes
}

// NewAPI returns the metrics of an API process, all at zero.
func NewAPI() *API {
	m := &API{registry: newRegistry(), bypasses: make([]Counter, 1+len(cachestate.Reasons()))}
	for level := range levels {
		for result := range results {
			m.counter(m.Cache(level, result), "freshlist_cache_requests_total", "Requests to a level of the cache.",
				"level", level.String(), "result", result.String())
		}
	}
	for _, reason := range cachestate.Reasons() {
		m.counter(m.Bypass(reason), "freshlist_bypass_total", "Requests that were answered past the cache.", "reason", reason.String())
	}
	m.counter(&m.DatabaseReads, "freshlist_database_reads_total", "Reads of listings from PostgreSQL.")
	m.counter(&m.TokenReads, "freshlist_token_reads_total", "Questions to PostgreSQL for requests with a Consistency-Token.")
	m.counter(&m.UnassignedTokens, "freshlist_unassigned_tokens_total", "Requests whose Consistency-Token PostgreSQL has not given out.")
	m.gauge(&m.Streams, "freshlist_streams", "Open streams of changes.")
	m.counter(&m.StreamsRefused, "freshlist_streams_refused_total", "Streams of changes that were refused, since WATCH_MAX were open.")
	m.counter(&m.StreamReads, "freshlist_stream_reads_total", "Reads of answers for streams of changes: one for all streams of an answer.")
	m.counter(&m.RateLimited, "freshlist_rate_limited_total", "Requests that were refused, since their client had made as many as RATE_LIMIT says.")
	m.counter(&m.Moments, "freshlist_moments_total", "Answers that were fresh by their time alone, while nothing proved what is cached.")
	for result := range standbyResults {
		m.counter(m.Standby(result), "freshlist_standby_reads_total", "Reads of listings that a standby was asked for.", "result", result.String())
	}
	m.gauge(&m.StandbyLag, "freshlist_standby_lag_bytes", "How much of the primary's log a standby had still to replay, when it was last asked.")
	for class := range m.answers {
		m.counter(&m.answers[class], "freshlist_http_answers_total", "Answers by class of status.", "class", classOf(class))
	}
	m.took = newAnswerTimes(m.registry)
	return m
}

// Cache returns the counter of one result of one level. A hot path keeps it.
func (m *API) Cache(level Level, result Result) *Counter { return &m.cache[level][result] }

// Standby returns the counter of one result of asking a standby.
func (m *API) Standby(result StandbyResult) *Counter { return &m.standbys[result] }

// Bypass returns the counter of requests that were answered past the cache for a reason.
func (m *API) Bypass(why cachestate.Reason) *Counter { return &m.bypasses[why] }

// Answered counts a finished request, and returns its number among those of its class of status.
func (m *API) Answered(route Route, status int, source Source, took time.Duration) (number uint64) {
	class := min(max(status/100-2, 0), classes-1)
	number = m.answers[class].Next()
	m.took.observe(route, class, source, took)
	return number
}
