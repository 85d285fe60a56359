package csvimport

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// tickPrefix begins the notices by which the statement says how far it is.
const tickPrefix = "freshlist import: "

// Progress shows how far an import is: on a terminal in one line that changes, elsewhere in a
// line a minute. A nil *Progress shows nothing.
type Progress struct {
	w        io.Writer
	terminal bool
	now      func() time.Time
	stop     chan struct{}
	stopped  sync.WaitGroup

	mu    sync.Mutex
	phase string
	began time.Time
	rows  int64 // done
	total int64 // rows; 0: not known
	bytes int64 // read
	size  int64 // of the file; 0: not known
	shown bool  // a line stands on the terminal
}

// How often the state is shown.
const (
	terminalEvery = 200 * time.Millisecond
	lineEvery     = time.Minute
)

// NewProgress begins to show. End it by Close.
func NewProgress(w io.Writer, terminal bool) *Progress {
	p := &Progress{w: w, terminal: terminal, now: time.Now, stop: make(chan struct{})}
	every := lineEvery
	if terminal {
		every = terminalEvery
	}
	tick := time.NewTicker(every)
	p.stopped.Go(func() {
		defer tick.Stop()
		for {
			select {
			case <-p.stop:
				return
			case <-tick.C:
				p.show()
			}
		}
	})
	return p
}

// Close ends it.
func (p *Progress) Close() {
	close(p.stop)
	p.stopped.Wait()
	p.end()
}

// Notice is for pgconn.Config.OnNotice: the statement that writes says so how far it is.
func (p *Progress) Notice(_ *pgconn.PgConn, n *pgconn.Notice) {
	if p == nil {
		return
	}
	if rows, ok := strings.CutPrefix(n.Message, tickPrefix); ok {
		if done, err := strconv.ParseInt(rows, 10, 64); err == nil {
			p.mu.Lock()
			p.rows = done
			p.mu.Unlock()
		}
	}
}

// begin begins a phase. Of its rows or bytes, as many are to come; 0: not known.
func (p *Progress) begin(phase string, total, size int64) {
	if p == nil {
		return
	}
	p.mu.Lock()
	p.phase, p.began, p.rows, p.total, p.bytes, p.size = phase, p.now(), 0, total, 0, size
	p.mu.Unlock()
	if p.terminal {
		p.show()
	}
}

// read notes how much of the file has been read.
func (p *Progress) read(rows, bytes int64) {
	if p == nil {
		return
	}
	p.mu.Lock()
	p.rows, p.bytes = rows, bytes
	p.mu.Unlock()
}

// show writes the state.
func (p *Progress) show() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.phase == "" {
		return
	}
	if p.terminal {
		_, _ = fmt.Fprintf(p.w, "\r\x1b[K%s", p.line())
		p.shown = true
	} else {
		_, _ = fmt.Fprintln(p.w, p.line())
	}
}

// end takes the line off the terminal.
func (p *Progress) end() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.phase = ""
	if p.shown {
		_, _ = io.WriteString(p.w, "\r\x1b[K")
		p.shown = false
	}
}

// line is the state in words: reading: 412,000 rows, 301,000 rows/s, 4s remaining.
func (p *Progress) line() string {
	text := p.phase
	elapsed := p.now().Sub(p.began)
	if p.rows == 0 || elapsed <= 0 {
		return text + fmt.Sprintf(", %s so far", elapsed.Round(time.Second))
	}
	text += ": " + grouped(p.rows)
	if p.total > 0 {
		text += " of " + grouped(p.total)
	}
	text += " rows, " + grouped(int64(float64(p.rows)/elapsed.Seconds())) + " rows/s"
	var part float64
	switch {
	case p.total > 0:
		part = float64(p.rows) / float64(p.total)
	case p.size > 0:
		part = float64(p.bytes) / float64(p.size)
	}
	if part > 0 && part <= 1 {
		left := time.Duration(float64(elapsed) * (1 - part) / part)
		text += ", " + left.Round(time.Second).String() + " remaining"
	}
	return text
}

// grouped writes a number with a comma before each three digits.
func grouped(n int64) string {
	digits := strconv.FormatInt(n, 10)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}
