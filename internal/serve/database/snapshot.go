package database

import (
	"context"
	"strings"

	"github.com/freshlist/freshlist/internal/listing"
)

// SnapshotRead is an answer with the epoch and the snapshot that it was read in.
type SnapshotRead struct {
	Queryset listing.Queryset
	Epoch    string // "": no marker, or row security hides rows from this role
	Snapshot string // pg_snapshot
}

// snapshotExpression needs SELECT on the marker.
const snapshotExpression = `(select concat(m.epoch, ' ', pg_current_snapshot()) from freshlist.properties_marker as m
	where not row_security_active('public.properties') order by m.revision desc limit 1)`

// ReadWithSnapshot returns the rows of q with the epoch and the snapshot that they belong
// to.
func (r *Reader) ReadWithSnapshot(ctx context.Context, q listing.Query) (SnapshotRead, error) {
	qs, origin, err := r.read(ctx, q, snapshotExpression)
	s := SnapshotRead{Queryset: qs}
	s.Epoch, s.Snapshot, _ = strings.Cut(origin, " ")
	return s, err
}
