// Package coherence checks freshlist's promise on the real programs: no answer is
// older than the bound B, whatever fails.
//
// # The history
//
// The checker keeps the history of the tables: every state that could be seen, and
// between which instants it could be seen. Any number of writers work at the same
// time, but one at a time commits, under a mutex of this process:
//
//	lock
//	read all tables inside the transaction: S, what they will be
//	note the time b, and that S can be seen from b on
//	COMMIT
//	note the time a, and that what was before S cannot be seen after a
//	unlock
//
// Inside the mutex nobody else commits, so what the transaction reads (READ
// COMMITTED: all that has been committed, and its own edits) is exactly the state
// after its commit, whatever kind of statements it was made of. The state becomes
// visible at one instant between b and a. So the instants at which S could be seen
// lie between its b and the next commit's a: the checker can only be too kind, by
// the duration of one commit, and never reports an answer that was right. (Another
// writer, which is not part of the history, commits at the same time as the others,
// in rows that no checked query shows.)
//
// A COMMIT without an answer leaves S and what was before it possible until the
// table has been read again under the mutex. A crash of PostgreSQL may lose commits
// of synchronous_commit = off: what was there shortly before it stays possible until
// the table has been read again.
//
// # The check
//
// An answer to a request that was sent at s and answered at e must be byte for byte
// the rendering of a state that could be seen at some instant from s-B to e; with a
// Consistency-Token, one that could be seen after that transaction's commit. Its age
// is the time from when its state could last be seen to s. The expected rows are
// computed from the state in Go, with the rows of other tables inside them. Answers that
// bypass the cache are checked as well, so this computation itself is held against
// PostgreSQL in every run.
//
// Other descriptions of the same tables are installed meanwhile: see variants. The history
// has the answers by each that is, or has been until just now. An answer by the former one is
// as old as the time from when the installation had returned.
package coherence
