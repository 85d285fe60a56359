package tracing

import "time"

// SetFlushTime sets for how long Close waits.
func SetFlushTime(t *Tracing, d time.Duration) { t.flushTime = d }
