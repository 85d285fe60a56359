package cache

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Beat is the invalidator's proof of freshness: everything that was visible in
// PostgreSQL at Noted has been applied to the cache of Epoch.
type Beat struct {
	Epoch   string
	Noted   int64  // by Redis' clock, microseconds since 1970
	Until   int64  // end of the proof, likewise: Noted + B
	Applied string // the pg_snapshot that has been applied, in its text form
}

// encode returns the value of the beat's key: "<epoch> <noted> <until> <applied>".
func (b Beat) encode() string {
	return fmt.Sprintf("%s %d %d %s", b.Epoch, b.Noted, b.Until, b.Applied)
}

var errBeat = errors.New("not a beat")

// ParseBeat reads the value of a beat's key.
func ParseBeat(value string) (Beat, error) {
	var b Beat
	var noted, until string
	var ok [3]bool
	b.Epoch, value, ok[0] = strings.Cut(value, " ")
	noted, value, ok[1] = strings.Cut(value, " ")
	until, b.Applied, ok[2] = strings.Cut(value, " ")
	var err1, err2 error
	b.Noted, err1 = strconv.ParseInt(noted, 10, 64)
	b.Until, err2 = strconv.ParseInt(until, 10, 64)
	if ok != [3]bool{true, true, true} || len(b.Epoch) != epochWidth || err1 != nil || err2 != nil {
		return Beat{}, errBeat
	}
	return b, nil
}

// Sees reports whether the applied snapshot sees transaction xid as finished:
// whatever it committed has been applied. It reads the text form of PostgreSQL's
// pg_snapshot, "xmin:xmax:xip,xip,..." (section "Transaction ID and Snapshot
// Information Functions" of its manual). An unreadable snapshot sees nothing.
func (b Beat) Sees(xid uint64) bool {
	low, rest, _ := strings.Cut(b.Applied, ":")
	high, running, ok := strings.Cut(rest, ":")
	xmin, err1 := strconv.ParseUint(low, 10, 64)
	xmax, err2 := strconv.ParseUint(high, 10, 64)
	switch {
	case !ok || err1 != nil || err2 != nil || xid >= xmax:
		return false
	case xid < xmin:
		return true
	}
	want := strconv.FormatUint(xid, 10)
	for running != "" {
		var one string
		one, running, _ = strings.Cut(running, ",")
		if one == want {
			return false
		}
	}
	return true
}
