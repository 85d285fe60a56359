package browser

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"sync"
	"testing"
	"time"
)

// patience is how long anything in the browser may take.
const patience = time.Minute

// chromium is a headless Chromium, spoken to over its debugging pipe: messages
// of the DevTools protocol, JSON, each with a NUL behind it. A pipe needs no port,
// and Chromium ends when it is closed, however the test ends.
type chromium struct {
	commands *os.File
	ended    chan struct{} // closed when Chromium has closed its side

	mu      sync.Mutex
	last    int                  // number of the last command
	replies map[int]chan message // to commands under way

	watchers map[int]func(message) // of all events, by a number
}

// message is a command, a reply or an event.
type message struct {
	ID      int             `json:"id,omitempty"`
	Session string          `json:"sessionId,omitempty"`
	Method  string          `json:"method,omitempty"`
	Params  json.RawMessage `json:"params,omitempty"`
	Result  json.RawMessage `json:"result,omitempty"`
	Error   *struct {
		Message string `json:"message"`
	} `json:"error,omitempty"`
}

// start starts a Chromium that ends with the test. Where there is none the test
// is skipped, but not in CI: there it is part of what must be shown.
func start(t *testing.T) *chromium {
	t.Helper()
	path, err := exec.LookPath("chromium")
	switch {
	case err != nil && os.Getenv("CI") == "":
		t.Skip("chromium is not installed; Debian's package is enough")
	case err != nil:
		t.Fatalf("chromium is not installed, and CI is set: %v", err)
	}
	theirs, commands := pipe(t)
	events, answers := pipe(t)
	var log bytes.Buffer
	cmd := exec.Command(path, "--headless", "--remote-debugging-pipe", "--user-data-dir="+t.TempDir(),
		"--log-level=3", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--disable-sync")
	cmd.ExtraFiles = []*os.File{theirs, answers} // its descriptors 3 and 4
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatalf("start chromium: %v", err)
	}
	_ = theirs.Close()
	_ = answers.Close()
	c := &chromium{commands: commands, ended: make(chan struct{}), replies: make(map[int]chan message), watchers: make(map[int]func(message))}
	go c.listen(events)
	t.Cleanup(func() {
		_, _ = c.command("", "Browser.close", nil) // its answer may not come
		<-c.ended
		_ = cmd.Wait() // says how it was ended
		_ = commands.Close()
		_ = events.Close()
		if t.Failed() {
			t.Logf("chromium: %s", &log)
		}
	})
	return c
}

func pipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	return r, w
}

// listen hands out what Chromium says until it has nothing more to say.
func (c *chromium) listen(events *os.File) {
	defer close(c.ended)
	for r := bufio.NewReader(events); ; {
		text, err := r.ReadBytes(0)
		if err != nil {
			return
		}
		var m message
		if json.Unmarshal(bytes.TrimSuffix(text, []byte{0}), &m) != nil {
			continue
		}
		c.mu.Lock()
		if reply := c.replies[m.ID]; reply != nil {
			reply <- m
			delete(c.replies, m.ID)
		}
		watchers := slices.Collect(maps.Values(c.watchers))
		c.mu.Unlock()
		for _, watcher := range watchers {
			if m.Method != "" {
				watcher(m)
			}
		}
	}
}

// watch calls f with every event until end is called; f must not wait.
func (c *chromium) watch(f func(message)) (end func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last++
	number := c.last
	c.watchers[number] = f
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.watchers, number)
	}
}

// command sends a command and returns its result.
func (c *chromium) command(session, method string, params any) (json.RawMessage, error) {
	raw, err := json.Marshal(params)
	if err != nil {
		return nil, err
	}
	if params == nil {
		raw = []byte("{}")
	}
	reply := make(chan message, 1)
	c.mu.Lock()
	c.last++
	c.replies[c.last] = reply
	text, err := json.Marshal(message{ID: c.last, Session: session, Method: method, Params: raw})
	if err == nil {
		_, err = c.commands.Write(append(text, 0))
	}
	c.mu.Unlock()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	select {
	case m := <-reply:
		if m.Error != nil {
			return nil, fmt.Errorf("%s: %s", method, m.Error.Message)
		}
		return m.Result, nil
	case <-c.ended:
		return nil, fmt.Errorf("%s: chromium has ended", method)
	case <-ctx.Done():
		return nil, fmt.Errorf("%s: no answer", method)
	}
}
