package dashboard

import "time"

// Linger sets how long a dashboard watches after the last look.
func (d *Dashboard) Linger(t time.Duration) { d.board.lingers = t }

// AtWork reports whether it watches.
func (d *Dashboard) AtWork() bool {
	d.board.mu.Lock()
	defer d.board.mu.Unlock()
	return d.board.running
}
