// Package cachestate answers one question: why is nothing cached? It has the table of all
// reasons, and the state of a process: which reason holds, and since when. The log, /readyz,
// /status, the metrics, Cache-Status and the doctor all read this table, so they cannot
// disagree.
//
// Its invariant: a process has one state, and everything that it reports of that state was
// read from there.
package cachestate

import "fmt"

// Reason says why a process caches nothing, or that it does cache.
type Reason uint8

// The reasons. OK is none: the cache is used.
const (
	OK Reason = iota
	Starting
	Off
	DatabaseDown
	Unfit
	InRecovery
	NotInstalled
	NoRights
	RowSecurity
	Capture
	OtherDescription
	RedisDown
	RedisPolicy
	RedisFull
	OtherLeader
	CatchingUp
	NoBeat
	OtherDeployment
	Bound
	reasons
)

// Program is one of the two programs, or both: who can be in a state.
type Program uint8

// The programs.
const (
	API Program = 1 << iota
	Invalidator
	Both = API | Invalidator
)

func (p Program) String() string {
	return [...]string{API: "API", Invalidator: "invalidator", Both: "both"}[p]
}

// entry is one line of the table.
type entry struct {
	word    string
	by      Program
	meaning string
	remedy  string
}

// table has every reason. docs/operations.md shows it; a test holds the two equal.
var table = [reasons]entry{
	OK: {"ok", Both, "The cache is used.", ""},
	Starting: {"starting", Both, "The process has just started and does not know yet.",
		"wait some seconds"},
	Off: {"off", API, "CACHE=off: every read goes to the database.",
		"set CACHE=on and restart the API"},
	DatabaseDown: {"database-down", Both, "PostgreSQL cannot be reached, or breaks connections off.",
		"start PostgreSQL, or correct DATABASE_URL: address, role, password"},
	Unfit: {"unfit", Invalidator, "A server is there, but not one to work with: its version is too old, or a pooler stands in between.",
		"see the detail; invalidator doctor checks all of it"},
	InRecovery: {"in-recovery", Both, "The database is a standby or read-only.",
		"point DATABASE_URL at the primary, or unset default_transaction_read_only"},
	NotInstalled: {"not-installed", Both, "The table, or the capture of its changes, is not installed.",
		"run as the table's owner: api migrate up, then invalidator install"},
	NoRights: {"no-rights", Both, "The role in DATABASE_URL, or the user in REDIS_URL, lacks a right.",
		"run as the table's owner: invalidator install; for Redis see the ACL lines in docs/operations.md"},
	RowSecurity: {"row-security", Both, "Row security applies to the table's readers: an answer then depends on more than the table's rows.",
		"disable row security on the table, or give the API's role BYPASSRLS"},
	Capture: {"capture", Invalidator, "Capture is not in order: changes may go by unseen.",
		"run as the table's owner: invalidator install"},
	OtherDescription: {"other-description", API, "The process has loaded another description of the tables than the proof in Redis is for.",
		"wait: it loads the installed one by itself; if this lasts, run invalidator install with the version that the API is of"},
	RedisDown: {"redis-down", Both, "Redis does not answer, or refuses commands.",
		"start Redis, or correct REDIS_URL: address, user, password"},
	RedisPolicy: {"redis-policy", Both, "The maxmemory-policy of Redis may evict what the proof rests on.",
		"CONFIG SET maxmemory-policy volatile-lfu, and the same in redis.conf; of a managed service in its parameters"},
	RedisFull: {"redis-full", Both, "Redis is full of what it may not evict.",
		"raise maxmemory, or remove the other data"},
	OtherLeader: {"other-leader", Invalidator, "Another invalidator leads, and no proof of freshness comes from it.",
		"see the log of the other invalidator, or end it"},
	CatchingUp: {"catching-up", Invalidator, "Changes that piled up are being applied.",
		"wait; freshlist_backlog_rows shows how many are left"},
	NoBeat: {"no-beat", Both, "There is no living proof of freshness in Redis.",
		"start an invalidator, or see why it is not caching: its log, its /readyz, invalidator doctor"},
	OtherDeployment: {"other-deployment", Both, "The proof in Redis is of another database, or for another prefix or number of partitions.",
		"give all processes of a deployment the same DATABASE_URL, REDIS_PREFIX and REDIS_PARTITIONS, and no other deployment the same prefix"},
	Bound: {"bound", Both, "STALENESS_BOUND differs between the processes.",
		"give all processes of a deployment the same STALENESS_BOUND"},
}

// Reasons returns all reasons but OK.
func Reasons() []Reason {
	all := make([]Reason, 0, reasons-1)
	for r := OK + 1; r < reasons; r++ {
		all = append(all, r)
	}
	return all
}

// String returns the word of a reason, such as "no-beat". It is the same everywhere.
func (r Reason) String() string { return table[r].word }

// Meaning returns one sentence that says what is the matter.
func (r Reason) Meaning() string { return table[r].meaning }

// Remedy returns what to do; "" for OK.
func (r Reason) Remedy() string { return table[r].remedy }

// By returns which programs can be in this state.
func (r Reason) By() Program { return table[r].by }

// Parse returns the reason with a word.
func Parse(word string) (Reason, error) {
	for r := range reasons {
		if table[r].word == word {
			return r, nil
		}
	}
	return OK, fmt.Errorf("parse reason %q: there is no such reason", word)
}
