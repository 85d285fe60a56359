package csvimport

import (
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// What is shown at an instant: rows, rate, and the time that remains.
func TestProgress(t *testing.T) {
	t.Parallel()
	now := time.Unix(0, 0)
	for _, terminal := range []bool{true, false} {
		var out strings.Builder
		p := &Progress{w: &out, terminal: terminal, now: func() time.Time { return now }}
		p.begin("reading", 0, 4000)
		now = now.Add(2 * time.Second)
		p.read(2500, 1000)
		p.show()
		p.begin("writing", 10_000, 0)
		now = now.Add(4 * time.Second)
		p.Notice(nil, &pgconn.Notice{Message: tickPrefix + "4000"})
		p.Notice(nil, &pgconn.Notice{Message: "a trigger's own"})
		p.show()
		p.end()
		p.show()
		lines := "reading: 2,500 rows, 1,250 rows/s, 6s remaining\nwriting: 4,000 of 10,000 rows, 1,000 rows/s, 6s remaining\n"
		if terminal {
			const clear = "\r\x1b[K"
			lines = clear + "reading, 0s so far" + clear + strings.TrimSuffix(strings.Replace(lines, "\n", clear+"writing, 0s so far"+clear, 1), "\n") + clear
		}
		if out.String() != lines {
			t.Errorf("shown is %q, want %q", out.String(), lines)
		}
	}
	var none *Progress // nobody wants to know
	none.begin("reading", 0, 0)
	none.read(1, 1)
	none.Notice(nil, &pgconn.Notice{Message: tickPrefix + "1"})
	none.end()
}
