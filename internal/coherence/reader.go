package coherence

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// tally counts what readers were answered. Its methods may be called in parallel.
type tally struct {
	bound time.Duration

	mu         sync.Mutex
	faulty     bool      // a fault is on, or its consequences
	rows       [2]counts // outside and inside fault windows
	ages       []float64 // seconds, of the answers that were not the latest
	oldest     time.Duration
	violations []string
	errors     []string
	downs      []outage
}

// counts are of answers inside or outside fault windows.
type counts struct{ answers, hits, tokens, errors int }

// outage is a time in which answers may fail.
type outage struct{ from, to instant }

// after a time of outage requests may still fail for so long: the pool tries again.
const aftermath = instant(2 * time.Second)

// reader asks API processes, and has every answer judged.
type reader struct {
	journal *journal
	tally   *tally
	random  *rand.Rand
	client  *http.Client
	servers []string // their addresses
}

// newReader returns a reader with connections of its own. Some take gzip.
func newReader(j *journal, c *tally, random *rand.Rand, servers []string) *reader {
	return &reader{j, c, random, &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{
		DisableCompression: random.IntN(2) == 0, MaxIdleConnsPerHost: 2,
	}}, servers}
}

// read asks until ctx is done, with a pause between.
func (r *reader) read(ctx context.Context, between time.Duration) {
	defer r.client.CloseIdleConnections()
	h := r.journal.history
	for ctx.Err() == nil {
		// Some of the views are hot, the rest are asked now and then.
		i := r.random.IntN(len(h.views))
		if r.random.IntN(3) > 0 {
			i %= 12
		}
		r.ask(ctx, h.views[i])
		if between > 0 {
			_ = pause(ctx, between)
		}
	}
}

// ask makes one request, sometimes with the token of the last commit.
func (r *reader) ask(ctx context.Context, v *view) {
	h := r.journal.history
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, r.servers[r.random.IntN(len(r.servers))]+v.path, nil)
	if err != nil {
		r.tally.fail(fmt.Sprintf("%s: %v", v.path, err))
		return
	}
	after := instant(-1)
	if w := r.journal.last.Load(); w != nil && r.random.IntN(10) == 0 {
		request.Header.Set("Consistency-Token", strconv.FormatUint(w.xid, 10))
		after = w.done
	}
	sent := h.now()
	response, err := r.client.Do(request)
	if err != nil {
		if ctx.Err() == nil {
			r.tally.refuse(sent, h.now(), fmt.Sprintf("%s: %v", v.path, err))
		}
		return
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	answered := h.now()
	switch {
	case err != nil && ctx.Err() == nil:
		r.tally.refuse(sent, answered, fmt.Sprintf("%s: %v", v.path, err))
	case err != nil:
	case response.StatusCode >= 500:
		r.tally.refuse(sent, answered, fmt.Sprintf("%s: %s: %s", request.URL, response.Status, body))
	default:
		r.judge(v, response, body, sent, answered, after)
	}
}

func (r *reader) judge(v *view, response *http.Response, text []byte, sent, answered, after instant) {
	how := response.Header.Get("Cache-Status")
	verdict := r.journal.history.judge(v, body{text, response.StatusCode}, sent, answered, after)
	fault := ""
	switch {
	case !verdict.known && after >= 0:
		fault = "does not show the write of its token"
	case !verdict.known:
		fault = "was never right: " + r.journal.history.difference(v, text)
	case verdict.age > r.tally.bound:
		fault = fmt.Sprintf("is %v old", verdict.age)
	}
	if fault != "" {
		fault = fmt.Sprintf("%s, asked at %v for %v, %s (%s)", v.path,
			time.Duration(sent), time.Duration(answered-sent), fault, how)
	}
	r.tally.add(verdict, strings.Contains(how, "; hit") && !strings.Contains(how, "moment; hit"), after >= 0, fault)
}

func (c *tally) add(v verdict, hit, token bool, fault string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := &c.rows[0]
	if c.faulty {
		n = &c.rows[1]
	}
	n.answers++
	if hit {
		n.hits++
	}
	if token {
		n.tokens++
	}
	if v.age > 0 {
		c.ages = append(c.ages, v.age.Seconds())
		c.oldest = max(c.oldest, v.age)
	}
	if fault != "" {
		c.violations = append(c.violations, fault)
	}
}

// fail notes a fault of the checker itself or of the product.
func (c *tally) fail(what string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.errors = append(c.errors, what)
}

// refuse notes a request that was not answered. That is right only where the
// database or the API was down meanwhile.
func (c *tally) refuse(sent, answered instant, what string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := &c.rows[0]
	if c.faulty {
		n = &c.rows[1]
	}
	n.errors++
	for _, o := range c.downs {
		if sent < o.to && answered >= o.from {
			return
		}
	}
	c.errors = append(c.errors, fmt.Sprintf("at %v for %v: %s", time.Duration(sent), time.Duration(answered-sent), what))
}

// down notes the beginning of a time in which requests may fail; up ends it.
func (c *tally) down(from instant) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.downs = append(c.downs, outage{from, forever})
}

func (c *tally) up(at instant) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.downs[len(c.downs)-1].to = at + aftermath
}

// window says whether a fault is on.
func (c *tally) window(faulty bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.faulty = faulty
}

// stale returns how many answers were not right within the bound.
func (c *tally) stale() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.violations)
}

// String reports the counts.
func (c *tally) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var b strings.Builder
	for i, name := range []string{"outside fault windows", "inside"} {
		n := c.rows[i]
		fmt.Fprintf(&b, "%s: %d answers checked, %d hits (%.1f %%), %d with a token, %d not answered\n",
			name, n.answers, n.hits, 100*float64(n.hits)/float64(max(1, n.answers)), n.tokens, n.errors)
	}
	all := c.rows[0].answers + c.rows[1].answers
	slices.Sort(c.ages)
	fmt.Fprintf(&b, "not the latest when asked: %d;", len(c.ages))
	for _, p := range []float64{50, 90, 99, 99.9, 99.99} {
		fmt.Fprintf(&b, " p%v %v,", p, percentile(c.ages, all, p))
	}
	fmt.Fprintf(&b, " oldest %v, bound %v\n", c.oldest.Round(time.Microsecond), c.bound)
	fmt.Fprintf(&b, "older than the bound, or never right: %d\n", len(c.violations))
	return b.String()
}

// percentile returns an age of n answers, of which those not in the sorted list are
// 0 old.
func percentile(ages []float64, n int, p float64) time.Duration {
	i := int(float64(n)*p/100) - (n - len(ages))
	if i < 0 || len(ages) == 0 {
		return 0
	}
	return time.Duration(ages[min(i, len(ages)-1)] * 1e9).Round(time.Microsecond)
}
