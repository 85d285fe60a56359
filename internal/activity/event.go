package activity

import "time"

// The names of the stream's events, as Server-Sent Events have them.
const (
	EventHello   = "hello"   // Hello: the first one
	EventChange  = "change"  // Change
	EventOmitted = "omitted" // Omitted: changes that were purged for and are not shown
	EventEpoch   = "epoch"   // Epoch: the whole cache was emptied
	EventDropped = "dropped" // Dropped: this listener was too slow
)

// Change is one committed change of a table, when everything that it made stale has been purged.
type Change struct {
	At      time.Time `json:"at"`      // when its purge had ended
	Table   string    `json:"table"`   // by its name in addresses; "" for all tables
	Kind    string    `json:"kind"`    // insert, update, delete; bulk: very many rows of one statement; whole: anything may have changed
	Key     *string   `json:"key"`     // of the row; null of bulk and whole
	Columns []string  `json:"columns"` // those that differ, of an update; null for all
	Purged  int       `json:"purged"`  // live queries that it made stale
	Spared  int       `json:"spared"`  // live queries of all tables that it did not
	Delay   float64   `json:"delay_seconds"`

	// CommitToPurge is from the commit to the end of the purge, by PostgreSQL's clock; null
	// unless track_commit_timestamp is on. Delay is from when the invalidator heard of the change.
	CommitToPurge *float64 `json:"commit_to_purge_seconds"`

	Queries []Query `json:"queries"` // some of those purged, and of those of the table that were spared
}

// Query is what a change did to one live query.
type Query struct {
	Query  string `json:"query"` // the canonical text: behind /v1/ it is the address of its JSON
	Purged bool   `json:"purged"`
	Why    string `json:"why"` // a sentence: which condition, window or column decided
}

// How many queries of each sort a Change names.
const (
	MostPurged = 20
	MostSpared = 10
)

// Hello is what a listener is told first.
type Hello struct {
	Role  string `json:"role"`  // leader: purges are to come; standby, starting: none until it leads
	Epoch string `json:"epoch"` // "" before the first beat
}

// Omitted is how many changes were purged for and not shown, since more came than a reader can
// follow.
type Omitted struct {
	Changes int `json:"changes"`
}

// Epoch is the beginning of an epoch: the whole cache is empty.
type Epoch struct {
	At     time.Time `json:"at"`
	Epoch  string    `json:"epoch"`
	Reason string    `json:"reason"` // as in freshlist_epochs_total
}

// Dropped is how many events a listener has lost because it read too slowly.
type Dropped struct {
	Events int `json:"events"`
}
