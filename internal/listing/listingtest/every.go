package listingtest

import (
	_ "embed"
	"sync"

	"github.com/freshlist/freshlist/internal/listing"
)

// EverySQL makes the tables of EverySite in a database, EveryListings describes them. The
// tables are no part of what ships: they have a column of every type that a description knows.
var (
	//go:embed every.sql
	EverySQL string

	//go:embed every.yaml
	EveryListings string
)

// EveryDropChecks is SQL that drops the checks of EverySQL's tables.
const EveryDropChecks = `
	alter table public."Every Type" drop constraint every_exact_range, drop constraint every_bytewise_known;
	alter domain public.percent drop constraint percent_range;
	alter domain public.amount drop constraint amount_least`

// The description of EveryListings, as it is resolved against a database that EverySQL has run
// in. A test of internal/schema holds it to that.
//
//go:embed every.json
var every []byte

// EverySite returns the site of EveryListings: the tables every and by-uuid.
var EverySite = sync.OnceValue(func() *listing.Site { return site(every) })

// Every returns the table with a column of every type; its key is a text.
func Every() *listing.Table { return EverySite().Table("every") }

// ByUUID returns a small table whose key is a UUID, and whose place is of numerics.
func ByUUID() *listing.Table { return EverySite().Table("by-uuid") }
