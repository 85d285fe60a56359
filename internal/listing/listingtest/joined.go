package listingtest

import (
	_ "embed"
	"sync"

	"github.com/freshlist/freshlist/internal/listing"
)

// JoinedSQL makes the tables of JoinedSite in a database, JoinedListings describes them: homes,
// with their agents and photos inside, and these with homes inside.
var (
	//go:embed joined.sql
	JoinedSQL string

	//go:embed joined.yaml
	JoinedListings string
)

// The description of JoinedListings, as it is resolved against a database that JoinedSQL has
// run in. A test of internal/schema holds it to that.
//
//go:embed joined.json
var joined []byte

// JoinedSite returns the site of JoinedListings: the tables agents, homes and photos.
var JoinedSite = sync.OnceValue(func() *listing.Site { return site(joined) })

// Homes returns the table of homes, in whose rows stand those of all three tables.
func Homes() *listing.Table { return JoinedSite().Table("homes") }
