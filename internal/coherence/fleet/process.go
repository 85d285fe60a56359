package fleet

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/freshlist/freshlist/internal/cachestate"
	"github.com/freshlist/freshlist/internal/invalidate"
	"github.com/freshlist/freshlist/internal/local"
)

// Process is one process of the fleet. Its methods are for one goroutine at a time,
// except Status, Metric and Log.
type Process struct {
	URL string // "http://host:port"; it stays when the process is started again

	name, program, logfile string
	env                    []string
	running                *local.Program // nil while killed
}

// Start starts a killed process again, at its address, and does not wait.
func (p *Process) Start(t testing.TB) {
	t.Helper()
	log, err := os.OpenFile(p.logfile, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	check(t, "open log", err)
	defer log.Close()
	p.running, err = local.StartProgram(log, p.env, p.program)
	check(t, "start "+p.name, err)
}

// Kill ends the process by SIGKILL and waits for its end.
func (p *Process) Kill(t testing.TB) {
	t.Helper()
	running := p.running
	p.running = nil
	check(t, "kill "+p.name, running.Kill())
}

// Restart kills the process and starts it again, at its address.
func (p *Process) Restart(t testing.TB) {
	t.Helper()
	p.Kill(t)
	p.Start(t)
}

// Set gives the process another value of a variable from its next start on.
func (p *Process) Set(name, value string) { p.env = append(p.env, name+"="+value) }

// Stop stops the process in its tracks (SIGSTOP); its connections stay open.
func (p *Process) Stop(t testing.TB) {
	t.Helper()
	check(t, "stop "+p.name, p.running.Pause())
}

// Continue lets a stopped process go on (SIGCONT).
func (p *Process) Continue(t testing.TB) {
	t.Helper()
	check(t, "continue "+p.name, p.running.Resume())
}

// AwaitReady waits until the process says that it is ready.
func (p *Process) AwaitReady(t testing.TB) {
	t.Helper()
	Await(t, p.name+" is ready", func() bool {
		select {
		case <-p.running.Exited():
			t.Fatalf("%s has ended by itself", p.name)
		default:
		}
		code, _, err := p.get("/readyz")
		return err == nil && code == http.StatusOK
	})
}

// Status returns what an invalidator says of itself; the zero Report if it does
// not answer.
func (p *Process) Status() invalidate.Report {
	var r invalidate.Report
	code, body, err := p.get("/status")
	if err != nil || code != http.StatusOK || json.Unmarshal(body, &r) != nil {
		return invalidate.Report{}
	}
	return r
}

// State returns what a process says of itself by /readyz; the zero Report if it does not
// answer.
func (p *Process) State() cachestate.Report {
	var r cachestate.Report
	_, body, err := p.get("/readyz")
	if err != nil || json.Unmarshal(body, &r) != nil {
		return cachestate.Report{}
	}
	return r
}

// Header returns one header of the process's answer to a path; "" if it does not answer.
func (p *Process) Header(path, name string) string {
	response, err := client.Get(p.URL + path)
	if err != nil {
		return ""
	}
	defer response.Body.Close()
	return response.Header.Get(name)
}

// Metric returns one of the process's metrics, by its name with its labels as
// /metrics spells them; 0 if it is not there.
func (p *Process) Metric(name string) float64 {
	_, body, err := p.get("/metrics")
	if err != nil {
		return 0
	}
	for line := range bytes.Lines(body) {
		if value, ok := bytes.CutPrefix(line, []byte(name+" ")); ok {
			v, _ := strconv.ParseFloat(string(bytes.TrimSpace(value)), 64) // Prometheus writes numbers only
			return v
		}
	}
	return 0
}

// Hit tells whether an answer came from the cache, by its own Cache-Status: as it
// was, or rendered from a cached queryset.
func Hit(response *http.Response) bool {
	status := response.Header.Get("Cache-Status")
	return strings.Contains(status, "; hit") && !strings.Contains(status, "moment; hit")
}

// Log returns all that the process has logged.
func (p *Process) Log() string {
	log, err := os.ReadFile(p.logfile)
	if err != nil {
		return err.Error()
	}
	return string(log)
}

// client asks processes about themselves; a stopped one does not answer.
var client = &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}

func (p *Process) get(path string) (code int, body []byte, err error) {
	response, err := client.Get(p.URL + path)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	body, err = io.ReadAll(response.Body)
	return response.StatusCode, body, err
}

// grace is how long a process may take to end: what an API gives its last requests,
// and some more.
const grace = time.Minute

// end ends the process with its test and judges what it has logged.
func (p *Process) end(t testing.TB) {
	if p.running != nil {
		if err := p.running.Stop(grace); err != nil {
			t.Errorf("end %s: %v", p.name, err)
		}
	}
	log := p.Log()
	for _, fault := range []string{"WARNING: DATA RACE", "\npanic: ", "\nfatal error: "} {
		if strings.Contains(log, fault) {
			t.Errorf("%s at %s logged a fault: %s", p.name, p.URL, strings.TrimSpace(fault))
		}
	}
	if t.Failed() {
		t.Logf("%s at %s logged:\n%s", p.name, p.URL, tail(log))
	}
}

// tail returns the end of a log.
func tail(log string) string {
	const length = 8 << 10
	return log[max(0, len(log)-length):]
}
