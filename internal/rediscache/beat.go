package rediscache

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/freshlist/freshlist/internal/pgsnapshot"
)

// Beat is the invalidator's proof of freshness: everything that was visible in
// Database at Noted has been applied to what is cached of Epoch in one partition. It says besides all that
// processes must agree on, so that nobody takes another deployment's proof for his own.
type Beat struct {
	Noted      int64 // by Redis' clock, microseconds since 1970
	Bound      time.Duration
	Epoch      string
	Server     string // which start of PostgreSQL
	Database   string // "<system identifier>/<oid>"
	Partitions int
	Generation string // of the partition: values of another one do not count
	Applied    string // the pg_snapshot that has been applied, in its text form
}

// beatVersion is what the value of a beat begins with. Who knows another layout finds
// no beat in it.
const beatVersion = "beat3"

// End returns the end of the proof by Redis' clock: it says nothing from then on.
func (b Beat) End() int64 { return b.Noted + b.Bound.Microseconds() }

// validAt reports whether the beat counts at an instant by Redis' clock. A beat from the
// future shows that the clock was set back: its age is unknown.
func (b Beat) validAt(now int64) bool { return b.Noted <= now && now < b.End() }

// age returns how long before now the beat was noted.
func (b Beat) age(now time.Time) time.Duration {
	return time.Duration(now.UnixMicro()-b.Noted) * time.Microsecond
}

// Encode returns the value of the beat's key:
// "beat3 <noted> <bound, us> <epoch> <server> <database> <partitions> <generation> <applied>".
func (b Beat) Encode() string {
	return fmt.Sprintf("%s %d %d %s %s %s %d %s %s", beatVersion,
		b.Noted, b.Bound.Microseconds(), b.Epoch, b.Server, b.Database, b.Partitions, b.Generation, b.Applied)
}

var errBeat = errors.New("not a beat")

// ParseBeat reads the value of a beat's key.
func ParseBeat(value string) (Beat, error) {
	var words [9]string
	more := true
	for i := range words {
		if !more {
			return Beat{}, errBeat
		}
		words[i], value, more = strings.Cut(value, " ")
	}
	if more || words[0] != beatVersion || len(words[3]) != epochWidth || len(words[7]) != epochWidth {
		return Beat{}, errBeat
	}
	noted, err1 := strconv.ParseInt(words[1], 10, 64)
	bound, err2 := strconv.ParseInt(words[2], 10, 64)
	partitions, err3 := strconv.Atoi(words[6])
	if err1 != nil || err2 != nil || err3 != nil {
		return Beat{}, errBeat
	}
	return Beat{
		Noted: noted, Bound: time.Duration(bound) * time.Microsecond,
		Epoch: words[3], Server: words[4], Database: words[5], Partitions: partitions,
		Generation: words[7], Applied: words[8],
	}, nil
}

// validBeat parses the value of a beat's key. It returns nil if there is none, if it is
// unreadable, or if it does not count at now. now must come from the same exchange: a key's
// TTL does not tell its age, since MIGRATE and RESTORE restart it.
func validBeat(value any, now time.Time) *Beat {
	text, ok := value.(string)
	if !ok {
		return nil
	}
	beat, err := ParseBeat(text)
	if err != nil || !beat.validAt(now.UnixMicro()) {
		return nil
	}
	return &beat
}

// Sees reports whether the applied snapshot sees transaction xid as finished: whatever it
// committed has been applied. An unreadable snapshot sees nothing.
func (b Beat) Sees(xid uint64) bool {
	applied, err := pgsnapshot.Parse(b.Applied)
	return err == nil && applied.Sees(xid)
}
