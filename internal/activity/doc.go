// Package activity is what the processes show of their work while it goes on: a stream of what
// the invalidator purges, and a row of counters of each API process. Commands and the dashboard
// read it. Nothing of the cache depends on it.
//
// Its invariants: while nobody listens the stream costs one atomic load a round, a listener that
// is slow loses messages and is told how many, and a row disappears soon after its process.
package activity
