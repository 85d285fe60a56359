// Package pgsnapshot reads PostgreSQL's pg_snapshot in its text form, "xmin:xmax:xip,xip,..."
// (section "Transaction ID and Snapshot Information Functions" of its manual). A snapshot
// sees a transaction as finished if its id is below xmax and not among the running ones;
// xmin is the least of those.
package pgsnapshot

import (
	"errors"
	"slices"
	"strconv"
	"strings"
)

// Snapshot is one pg_snapshot.
type Snapshot struct {
	Xmax    uint64   // no transaction from here on has finished
	Running []uint64 // below Xmax, and not finished
}

var errText = errors.New("not a pg_snapshot")

// Parse reads the text form.
func Parse(text string) (Snapshot, error) {
	xmin, rest, _ := strings.Cut(text, ":")
	xmax, list, found := strings.Cut(rest, ":")
	_, err1 := strconv.ParseUint(xmin, 10, 64)
	high, err2 := strconv.ParseUint(xmax, 10, 64)
	if !found || err1 != nil || err2 != nil {
		return Snapshot{}, errText
	}
	s := Snapshot{Xmax: high}
	for list != "" {
		var one string
		one, list, _ = strings.Cut(list, ",")
		xid, err := strconv.ParseUint(one, 10, 64)
		if err != nil {
			return Snapshot{}, errText
		}
		s.Running = append(s.Running, xid)
	}
	return s, nil
}

// Sees reports whether the snapshot sees transaction xid as finished.
func (s Snapshot) Sees(xid uint64) bool { return xid < s.Xmax && !slices.Contains(s.Running, xid) }

// Covers reports whether one snapshot, in its text form, sees all that another sees; an unreadable one
// sees nothing, and is seen by none.
func Covers(snapshot, other string) bool {
	a, err1 := Parse(snapshot)
	b, err2 := Parse(other)
	return err1 == nil && err2 == nil && a.Covers(b)
}

// Covers reports whether the snapshot sees all that other sees.
func (s Snapshot) Covers(other Snapshot) bool {
	if s.Xmax < other.Xmax {
		return false
	}
	return !slices.ContainsFunc(s.Running, func(xid uint64) bool { return other.Sees(xid) })
}
