package main

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/freshlist/freshlist/internal/config"
	"github.com/freshlist/freshlist/internal/description"
	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/schema"
	"github.com/freshlist/freshlist/internal/serve"
	"github.com/freshlist/freshlist/internal/session"
)

// described is the description of the tables as the database has it, for the server and for
// the reads, which each need the other.
type described struct {
	url    config.Secret
	server atomic.Pointer[serve.Server]
}

// describeTime is how long the start waits for the description.
const describeTime = 5 * time.Second

// read reads the description that is installed.
func (d *described) read(ctx context.Context) (*description.Description, error) {
	conn, err := session.For("freshlist-api").Connect(ctx, d.url.Reveal())
	if err != nil {
		return nil, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	return schema.ReadDescription(ctx, conn)
}

// first returns the site to begin with; nil if the database does not say: the server asks
// again, and answers 503 until then.
func (d *described) first(ctx context.Context, log *slog.Logger) *listing.Site {
	ctx, cancel := context.WithTimeout(ctx, describeTime)
	defer cancel()
	installed, err := d.read(ctx)
	if err != nil {
		log.WarnContext(ctx, "the description of the tables cannot be read; it is tried again", "error", err)
		return nil
	}
	return listing.NewSite(installed)
}

// site is the site that is served at present.
func (d *described) site() *listing.Site { return d.server.Load().Site() }

// other has the description read again.
func (d *described) other() { d.server.Load().OtherDescription() }
