package database

import (
	"context"
	"strings"

	"github.com/freshlist/freshlist/internal/listing"
)

// Seen is an answer with what it was read from, all of one snapshot.
type Seen struct {
	Queryset listing.Queryset
	Epoch    string // "": no marker, or row security hides rows from this role
	Snapshot string // pg_snapshot
}

// seenStamp needs SELECT on the marker.
const seenStamp = `(select concat(m.epoch, ' ', pg_current_snapshot()) from freshlist.properties_marker as m
	where not row_security_active('public.properties') order by m.revision desc limit 1)`

// ReadSeen returns the rows of q with the epoch and the snapshot that they belong
// to.
func (r *Reader) ReadSeen(ctx context.Context, q listing.Query) (Seen, error) {
	qs, stamp, err := r.read(ctx, q, seenStamp)
	s := Seen{Queryset: qs}
	s.Epoch, s.Snapshot, _ = strings.Cut(stamp, " ")
	return s, err
}
