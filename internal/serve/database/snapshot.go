package database

import (
	"context"
	"fmt"
	"strings"

	"github.com/freshlist/freshlist/internal/description"
	"github.com/freshlist/freshlist/internal/listing"
)

// SnapshotRead is an answer with the epoch and the snapshot that it was read in.
type SnapshotRead struct {
	Queryset    listing.Queryset
	Epoch       string // "": no marker, or row security hides rows from this role
	Description string // identity of the description that the epoch belongs to
	Snapshot    string // pg_snapshot
}

// snapshotOrigin needs SELECT on the marker.
func snapshotOrigin(s *statement) string {
	return "(select concat(m.epoch, ' ', m.description, ' ', pg_current_snapshot()) from freshlist.marker as m" +
		" where not " + s.rowSecurity() + " order by m.revision desc limit 1)"
}

// ReadWithSnapshot returns the rows of q with the epoch and the snapshot that they belong
// to.
func (r *Reader) ReadWithSnapshot(ctx context.Context, q listing.Query) (SnapshotRead, error) {
	qs, origin, err := r.read(ctx, q, snapshotOrigin)
	s := SnapshotRead{Queryset: qs}
	s.Epoch, origin, _ = strings.Cut(origin, " ")
	s.Description, s.Snapshot, _ = strings.Cut(origin, " ")
	return s, err
}

// Description returns the description that is installed.
func (r *Reader) Description(ctx context.Context) (*description.Description, error) {
	var body string
	err := r.pool.retryOnce(ctx, func() error {
		return r.pool.ask(ctx, r.pool.pgx, "select body from freshlist.description", nil, &body)
	})
	if err != nil {
		return nil, fmt.Errorf("read the installed description: %w", classify(err))
	}
	return description.Decode([]byte(body))
}
