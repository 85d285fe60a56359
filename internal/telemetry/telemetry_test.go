package telemetry_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/freshlist/freshlist/internal/cachestate"
	"github.com/freshlist/freshlist/internal/config"
	"github.com/freshlist/freshlist/internal/telemetry"
)

// scrape returns the lines of our metrics.
func scrape(t *testing.T, handler http.Handler) []string {
	t.Helper()
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if answer.Code != http.StatusOK {
		t.Fatalf("status %d: %s", answer.Code, answer.Body)
	}
	var lines []string
	for line := range strings.Lines(answer.Body.String()) {
		if strings.HasPrefix(line, "freshlist_") {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return lines
}

var bucket = regexp.MustCompile(`_bucket\{.*|_(sum|count)[{ ].*`)

// series returns the distinct names with their labels; a histogram is one.
func series(t *testing.T, handler http.Handler) []string {
	t.Helper()
	var names []string
	for _, line := range scrape(t, handler) {
		if at := bucket.FindStringIndex(line); at != nil {
			names = append(names, line[:at[0]])
			continue
		}
		names = append(names, line[:strings.LastIndexByte(line, ' ')])
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// shown has a process's metrics show a state.
func shown[M interface{ ShowState(*cachestate.State) }](m M) M {
	m.ShowState(cachestate.New(slog.New(slog.DiscardHandler), time.Now))
	return m
}

// shownAPI has all shown that an API process shows.
func shownAPI() *telemetry.API {
	m := shown(telemetry.NewAPI())
	m.ShowPool(telemetry.PostgreSQL, func() telemetry.Pool { return telemetry.Pool{Used: 1, Idle: 2, Limit: 8, Waits: 4} })
	m.ShowPool(telemetry.Redis, func() telemetry.Pool { return telemetry.Pool{} })
	m.ShowL1(func() (int, uint64) { return 5, 6000 })
	m.ShowBreakers(func() int { return 3 })
	return m
}

// What is shown of others is what they say.
func TestShown(t *testing.T) {
	t.Parallel()
	expect(t, shownAPI().Handler(),
		`freshlist_pool_connections{pool="postgresql",state="used"} 1`,
		`freshlist_pool_connections{pool="postgresql",state="idle"} 2`,
		`freshlist_pool_limit{pool="postgresql"} 8`,
		`freshlist_pool_waits_total{pool="postgresql"} 4`,
		`freshlist_l1_entries 5`,
		`freshlist_l1_bytes 6000`,
		`freshlist_redis_breakers_open 3`,
	)
}

// Whatever is asked for, there are so many histograms at most: labels have no values of requests.
func TestKindsOfAnswersAreFew(t *testing.T) {
	t.Parallel()
	m := telemetry.NewAPI()
	for status := 100; status < 700; status += 7 {
		for source := telemetry.NoSource; source <= telemetry.FromDatabase; source++ {
			for route := telemetry.OtherRoute; route <= telemetry.ProbeRoute; route++ {
				m.Answered(route, status, source, time.Second)
			}
		}
	}
	counts := 0
	for _, line := range scrape(t, m.Handler()) {
		if strings.HasPrefix(line, "freshlist_http_answer_seconds_count") {
			counts++
		}
	}
	if want := 13 * 4 * 6; counts != want {
		t.Errorf("%d histograms, want %d", counts, want)
	}
	if now := m.Read(telemetry.Reading{}); now.Requests != 86*12*6 || now.P50 <= 0.5 || now.P50 > 1 {
		t.Errorf("%d answers are read, p50 %v", now.Requests, now.P50)
	}
}

// Counting an answer takes no memory.
func TestAnsweredAllocatesNothing(t *testing.T) {
	m := telemetry.NewAPI()
	if n := testing.AllocsPerRun(100, func() { m.Answered(telemetry.ListRoute, 200, telemetry.FromL1, time.Millisecond) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// states returns the series that have a label of all reasons.
func states(names ...string) (series []string) {
	for _, name := range names {
		for _, reason := range cachestate.Reasons() {
			series = append(series, fmt.Sprintf("%s{reason=%q}", name, reason))
		}
	}
	return append(series, `freshlist_caching{reason="ok"}`)
}

// Of all reasons one is shown, and it is that of the state.
func TestStateIsShown(t *testing.T) {
	t.Parallel()
	m := telemetry.NewInvalidator()
	state := cachestate.New(slog.New(slog.DiscardHandler), time.Now)
	m.ShowState(state)
	for _, reason := range append(cachestate.Reasons(), cachestate.OK) {
		state.Set(reason, "")
		var ones []string
		for _, line := range scrape(t, m.Handler()) {
			if strings.HasPrefix(line, "freshlist_caching") && strings.HasSuffix(line, " 1") {
				ones = append(ones, line)
			}
		}
		if want := fmt.Sprintf(`freshlist_caching{reason=%q} 1`, reason); len(ones) != 1 || ones[0] != want {
			t.Errorf("%v, want %s alone", ones, want)
		}
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		process string
		handler http.Handler
		want    []string
	}{
		{"api", shownAPI().Handler(), append(states("freshlist_bypass_total", "freshlist_caching"), []string{
			`freshlist_cache_requests_total{level="l1",result="bypass"}`,
			`freshlist_cache_requests_total{level="l1",result="hit"}`,
			`freshlist_cache_requests_total{level="l1",result="miss"}`,
			`freshlist_cache_requests_total{level="queryset",result="bypass"}`,
			`freshlist_cache_requests_total{level="queryset",result="hit"}`,
			`freshlist_cache_requests_total{level="queryset",result="miss"}`,
			`freshlist_cache_requests_total{level="view",result="bypass"}`,
			`freshlist_cache_requests_total{level="view",result="hit"}`,
			`freshlist_cache_requests_total{level="view",result="miss"}`,
			`freshlist_database_reads_total`,
			`freshlist_token_reads_total`, `freshlist_unassigned_tokens_total`,
			`freshlist_http_answer_seconds`,
			`freshlist_l1_bytes`, `freshlist_l1_entries`, `freshlist_redis_breakers_open`,
			`freshlist_pool_connections{pool="postgresql",state="idle"}`, `freshlist_pool_connections{pool="postgresql",state="used"}`,
			`freshlist_pool_connections{pool="redis",state="idle"}`, `freshlist_pool_connections{pool="redis",state="used"}`,
			`freshlist_pool_limit{pool="postgresql"}`, `freshlist_pool_limit{pool="redis"}`,
			`freshlist_pool_waits_total{pool="postgresql"}`, `freshlist_pool_waits_total{pool="redis"}`,
			`freshlist_http_answers_total{class="2xx"}`,
			`freshlist_http_answers_total{class="3xx"}`,
			`freshlist_http_answers_total{class="4xx"}`,
			`freshlist_http_answers_total{class="5xx"}`,
			`freshlist_moments_total`,
			`freshlist_rate_limited_total`,
			`freshlist_standby_lag_bytes`,
			`freshlist_standby_reads_total{result="behind"}`,
			`freshlist_standby_reads_total{result="conflict"}`,
			`freshlist_standby_reads_total{result="failed"}`,
			`freshlist_standby_reads_total{result="used"}`,
			`freshlist_stream_reads_total`,
			`freshlist_streams`,
			`freshlist_streams_refused_total`,
		}...)},
		{"invalidator", shown(telemetry.NewInvalidator()).Handler(), append(states("freshlist_caching"), []string{
			`freshlist_audit_checked_total`,
			`freshlist_audit_mismatches_total`,
			`freshlist_backlog_rows`,
			`freshlist_beats_total`,
			`freshlist_changes_applied_total`,
			`freshlist_dark_partitions`,
			`freshlist_doorbell_rings_total`,
			`freshlist_doorbell_sleeps_total`,
			`freshlist_epochs_total{reason="capture_changed"}`,
			`freshlist_epochs_total{reason="no_marker"}`,
			`freshlist_epochs_total{reason="redis_lost"}`,
			`freshlist_epochs_total{reason="agreement_changed"}`,
			`freshlist_epochs_total{reason="prepared_ended"}`,
			`freshlist_epochs_total{reason="backlog"}`,
			`freshlist_registrations_total`,
			`freshlist_fenced_total`,
			`freshlist_last_beat_timestamp_seconds`,
			`freshlist_leader`,
			`freshlist_listener_restarts_total`,
			`freshlist_live_queries`,
			`freshlist_lost_total`,
			`freshlist_purge_delay_seconds`,
			`freshlist_purged_queries_total`,
			`freshlist_unparsable_queries`,
			`freshlist_unread_changes_total`,
		}...)},
	} {
		slices.Sort(test.want)
		if got := series(t, test.handler); !slices.Equal(got, test.want) {
			t.Errorf("%s:\n got %s\nwant %s", test.process, strings.Join(got, "\n     "), strings.Join(test.want, "\n     "))
		}
	}
}

func expect(t *testing.T, handler http.Handler, lines ...string) {
	t.Helper()
	got := scrape(t, handler)
	for _, line := range lines {
		if !slices.Contains(got, line) {
			t.Errorf("no line %q in\n%s", line, strings.Join(got, "\n"))
		}
	}
}

func TestAPICounts(t *testing.T) {
	t.Parallel()
	m := telemetry.NewAPI()
	hits := m.Cache(telemetry.View, telemetry.Hit)
	hits.Inc()
	hits.Add(2)
	m.Cache(telemetry.L1, telemetry.Bypass).Inc()
	m.DatabaseReads.Inc()
	m.Answered(telemetry.ListRoute, http.StatusOK, telemetry.FromView, 300*time.Microsecond)
	m.Answered(telemetry.ListRoute, http.StatusServiceUnavailable, telemetry.FromView, time.Minute)
	if n := m.Cache(telemetry.View, telemetry.Hit).Value(); n != 3 {
		t.Errorf("%d hits, want 3", n)
	}
	expect(t, m.Handler(),
		`freshlist_cache_requests_total{level="view",result="hit"} 3`,
		`freshlist_cache_requests_total{level="l1",result="bypass"} 1`,
		`freshlist_cache_requests_total{level="queryset",result="miss"} 0`,
		`freshlist_database_reads_total 1`,
		`freshlist_http_answers_total{class="2xx"} 1`,
		`freshlist_http_answers_total{class="5xx"} 1`,
		`freshlist_http_answer_seconds_bucket{class="2xx",level="view",route="GET /v1/{table}",le="0.0005"} 1`,
		`freshlist_http_answer_seconds_count{class="5xx",level="view",route="GET /v1/{table}"} 1`,
	)
}

func TestInvalidatorCounts(t *testing.T) {
	t.Parallel()
	m := telemetry.NewInvalidator()
	m.Epoch(telemetry.RedisLost)
	m.Purged(2 * time.Millisecond)
	m.LiveQueries.Set(300)
	m.ChangesApplied.Add(5)
	expect(t, m.Handler(),
		`freshlist_epochs_total{reason="redis_lost"} 1`,
		`freshlist_epochs_total{reason="no_marker"} 0`,
		`freshlist_purge_delay_seconds_bucket{le="0.0025"} 1`,
		`freshlist_live_queries 300`,
		`freshlist_changes_applied_total 5`,
	)
}

func TestLogFormats(t *testing.T) {
	t.Parallel()
	file, err := os.CreateTemp(t.TempDir(), "log")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	telemetry.NewLogger(file, config.Log{}).Info("to a file")
	if b, err := os.ReadFile(file.Name()); err != nil || !json.Valid(b) {
		t.Errorf("a file got %q (%v), want JSON", b, err)
	}

	var b bytes.Buffer
	log := telemetry.NewLogger(&b, config.Log{Format: config.FormatText, Level: slog.LevelWarn})
	log.Info("hidden")
	log.Warn("shown", "took", 1500*time.Millisecond)
	if got := b.String(); strings.Contains(got, "hidden") || !strings.Contains(got, "msg=shown took=1.5s") {
		t.Errorf("text log: %q", got)
	}

	b.Reset()
	telemetry.NewLogger(&b, config.Log{Format: config.FormatJSON}).Info("m", "took", 1500*time.Millisecond)
	var line struct{ Took float64 }
	if err := json.Unmarshal(b.Bytes(), &line); err != nil || line.Took != 1.5 {
		t.Errorf("took is %v (%v), want seconds: %s", line.Took, err, b.Bytes())
	}
}

func BenchmarkHit(b *testing.B) {
	hits := telemetry.NewAPI().Cache(telemetry.L1, telemetry.Hit)
	for b.Loop() {
		hits.Inc()
	}
}
