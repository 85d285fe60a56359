package trial

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// The pace and the limits of edits.
const (
	editEvery    = 200 * time.Millisecond
	editFor      = time.Minute // then they end by themselves
	seenPatience = 10 * time.Second
	lookEvery    = 2 * time.Millisecond
)

// set stops a part or lets it go on.
func (t *Trial) set(name string, paused bool) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	part := t.Parts[name]
	if part == nil {
		return fmt.Errorf("there is no part %q here", name)
	}
	do := part.Resume
	if paused {
		do = part.Pause
	}
	if err := do(); err != nil {
		return fmt.Errorf("signal %s: %w", name, err)
	}
	if t.paused[name] = paused; !paused {
		delete(t.paused, name)
	}
	return nil
}

// start edits again and again for some time.
func (t *Trial) start() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.stop != nil || t.Database == "" {
		return
	}
	ctx, cancel := context.WithTimeout(t.ctx, editFor)
	t.stop = cancel
	t.work.Go(func() {
		defer t.end()
		tick := time.NewTicker(editEvery)
		defer tick.Stop()
		for ctx.Err() == nil {
			t.once(ctx)
			select {
			case <-ctx.Done():
			case <-tick.C:
			}
		}
	})
}

// end ends the edits that go on.
func (t *Trial) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.stop != nil {
		t.stop()
		t.stop = nil
	}
}

// once makes one edit, and notes how soon it is seen through the API.
func (t *Trial) once(ctx context.Context) {
	if t.Database == "" {
		return
	}
	t.edit.Lock()
	defer t.edit.Unlock()
	ctx, cancel := context.WithTimeout(ctx, 2*seenPatience)
	defer cancel()
	what, took, err := t.editAndSee(ctx)
	if ctx.Err() != nil && err != nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	s := &t.seen
	s.Edits++
	s.Last, s.Took, s.Fault = what, took.Seconds(), ""
	s.Slowest = max(s.Slowest, s.Took)
	if err != nil {
		s.Fault = err.Error()
		return
	}
	if took > t.Bound {
		s.Late++
	}
}

// statements are the edits: each of one row by its key, with a comment before it that says what it
// changes.
func statements() (all [][2]string) {
	text, _ := files.ReadFile("edits.sql") // embedded
	for part := range strings.SplitSeq(string(text), "-- ") {
		if words, sql, ok := strings.Cut(part, "\n"); ok {
			all = append(all, [2]string{words, strings.TrimSpace(sql)})
		}
	}
	return all
}

// editAndSee makes one edit, and returns how long after its commit an answer of the API shows it.
func (t *Trial) editAndSee(ctx context.Context) (what string, took time.Duration, err error) {
	conn, err := pgx.Connect(ctx, t.Database)
	if err != nil {
		return "", 0, fmt.Errorf("connect to PostgreSQL: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	all := statements()
	var id int64
	if err := conn.QueryRow(ctx, all[0][1]).Scan(&id); err != nil {
		return "", 0, fmt.Errorf("choose a listing: %w", err)
	}
	edit := all[1+rand.IntN(len(all)-1)]
	what = fmt.Sprintf("%s of listing %d", edit[0], id)
	client := &http.Client{Transport: &http.Transport{}, Timeout: seenPatience}
	defer client.CloseIdleConnections()
	before, err := t.tag(ctx, client, id)
	if err != nil {
		return what, 0, err
	}
	if _, err := conn.Exec(ctx, edit[1], id); err != nil {
		return what, 0, fmt.Errorf("edit: %w", err)
	}
	committed := time.Now()
	for {
		now, err := t.tag(ctx, client, id)
		if took = time.Since(committed); err != nil || now != before {
			return what, took, err
		}
		if took > seenPatience {
			return what, took, nil // which is late
		}
		time.Sleep(lookEvery)
	}
}

// tag returns the entity tag of a listing as the API answers it.
func (t *Trial) tag(ctx context.Context, client *http.Client, id int64) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://%s/v1/properties/%d", t.API, id), nil)
	if err != nil {
		return "", err
	}
	resp, err := client.Do(req)
	if err != nil {
		return "", fmt.Errorf("ask the API: %w", err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode >= http.StatusInternalServerError {
		return "", fmt.Errorf("the API answers %s", resp.Status)
	}
	return resp.Header.Get("ETag"), nil
}
