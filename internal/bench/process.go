package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/freshlist/freshlist/internal/local"
	"github.com/freshlist/freshlist/internal/probe"
)

// process is one program under measurement, in a process of its own.
type process struct {
	name, addr string
	logfile    string
	program    *local.Program // nil once stopped
}

// cores is how many each process may use: with many more, the one thread that makes
// the load would be what is measured.
const cores = "2"

// grace is how long a process may take to end.
const grace = 15 * time.Second

// api starts an API process; env are variables that differ from the defaults.
func (r *rig) api(ctx context.Context, env ...string) (*process, error) {
	env = append([]string{"DATABASE_URL=" + r.postgres.Roles(captured).API, "LIVE_MAX=1000000"}, env...)
	return r.start(ctx, "api", r.programs.api, "HTTP_ADDR", "/readyz", env)
}

// invalidator starts an invalidator and returns when it leads and has certified the
// cache for the first time.
func (r *rig) invalidator(ctx context.Context) (*process, error) {
	p, err := r.starting(ctx)
	if err != nil {
		return nil, err
	}
	return p, await(ctx, 2*time.Minute, "the invalidator beats", func() (bool, error) {
		beats, err := p.metric(ctx, "freshlist_beats_total")
		return beats > 0, err
	})
}

// starting starts an invalidator and does not wait until it leads.
func (r *rig) starting(ctx context.Context) (*process, error) {
	return r.start(ctx, "invalidator", r.programs.invalidator, "INVALIDATOR_ADDR", "/healthz",
		[]string{"DATABASE_URL=" + r.postgres.Roles(captured).Invalidator})
}

// pair starts an invalidator and then an API process.
func (r *rig) pair(ctx context.Context, env ...string) (invalidator, api *process, err error) {
	if invalidator, err = r.invalidator(ctx); err != nil {
		return nil, nil, err
	}
	api, err = r.api(ctx, env...)
	return invalidator, api, err
}

// start starts a program and returns when it answers a path.
func (r *rig) start(ctx context.Context, name, program, addrVariable, path string, env []string) (*process, error) {
	port, err := local.FreePort(0)
	if err != nil {
		return nil, err
	}
	r.started++
	p := &process{
		name: name, addr: "127.0.0.1:" + strconv.Itoa(port),
		logfile: filepath.Join(r.dir, fmt.Sprintf("%s-%d.log", name, r.started)),
	}
	log, err := os.Create(p.logfile)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	full := append([]string{
		"GOMAXPROCS=" + cores, "PATH=" + os.Getenv("PATH"), "REDIS_URL=" + r.redisDB.URL(), "LOG_FORMAT=text", addrVariable + "=" + p.addr,
	}, env...)
	if p.program, err = local.StartProgram(log, full, program); err != nil {
		return nil, err
	}
	r.running = append(r.running, p)
	var last error
	err = await(ctx, 30*time.Second, name+" is ready", func() (bool, error) {
		select {
		case <-p.program.Exited():
			return false, errors.New("it has ended")
		default:
		}
		_, last = probe.Get(ctx, p.addr, path)
		return last == nil, nil
	})
	if err != nil {
		said, _ := os.ReadFile(p.logfile)
		err = fmt.Errorf("%w (%w); it said: %s", err, last, said)
	}
	return p, err
}

// stop ends a process. A stopped one stays as it is.
func (p *process) stop() error {
	if p.program == nil {
		return nil
	}
	program := p.program
	p.program = nil
	if err := program.Stop(grace); err != nil {
		return fmt.Errorf("stop %s: %w", p.name, err)
	}
	return nil
}

// stopProcesses ends all processes, the last first.
func (r *rig) stopProcesses() error {
	var failed []error
	for _, p := range slices.Backward(r.running) {
		failed = append(failed, p.stop())
	}
	r.running = nil
	return errors.Join(failed...)
}

// metric returns one of the process's metrics, by its name with its labels as
// /metrics spells them.
func (p *process) metric(ctx context.Context, name string) (float64, error) {
	text, err := probe.Get(ctx, p.addr, "/metrics")
	if err != nil {
		return 0, err
	}
	for line := range bytes.Lines(text) {
		if value, ok := bytes.CutPrefix(line, []byte(name+" ")); ok {
			return strconv.ParseFloat(string(bytes.TrimSpace(value)), 64)
		}
	}
	return 0, fmt.Errorf("%s has no metric %s", p.name, name)
}

// liveQueries returns how many an invalidator knows, as of its last beat.
func (p *process) liveQueries(ctx context.Context) (int, error) {
	text, err := probe.Get(ctx, p.addr, "/status")
	if err != nil {
		return 0, err
	}
	var status struct {
		Live int `json:"live_queries"`
	}
	return status.Live, json.Unmarshal(text, &status)
}
