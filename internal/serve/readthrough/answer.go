package readthrough

import (
	"time"

	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/serve/render"
)

// Request asks for one view.
type Request struct {
	Query   listing.Query
	Format  render.Format
	Token   uint64 // the transaction whose effects the answer must show; 0 = none
	NoStore bool   // read the database and store nothing
	Alone   bool   // share no load: what is read is read after the call has begun
}

// site returns the description by which the request was parsed.
func (r *Request) site() *listing.Site { return r.Query.Table.Site }

// key names what a request makes of its query. One canonical text may mean something else
// by another description.
func (r *Request) key(what, query string) string {
	return what + " " + r.Format.String() + " " + query + " " + r.site().Identity
}

// sharesNone reports whether a load that has begun is of no use to the request.
func (r *Request) sharesNone() bool { return r.Token != 0 || r.Alone }

// Answer is a finished response to one Request. Its texts are shared with other
// requests.
type Answer struct {
	Status      int
	ETag        string // entity tag of Body, unquoted; that of Gzip is this with "-gzip" behind it
	Body        string
	Gzip        string // Body compressed; empty where that does not pay
	CacheStatus string // RFC 9211: what the cache layers did for this request

	// Until is how long the answer may be kept in this process: to the end of the proof
	// that was found with it, and while StillValid says so of Origin. Zero: not at all.
	Until  time.Time
	Origin *Origin

	// Registered: the query was live in Redis before the answer was read. So a change that the answer
	// does not show purges the query, and that is published after the call has begun; for who shares a
	// load, after the load has.
	Registered bool

	asOf time.Time // it shows the database as of this instant, or as of a later one
}
