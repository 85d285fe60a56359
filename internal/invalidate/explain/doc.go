// Package explain answers two questions: what is known of a cached query, and what would a
// statement purge? It decides nothing by itself: which queries a change affects, and why, is
// decided in package match, as for the invalidator.
//
// Its invariant: it leaves nothing behind but gaps in the numbers of sequences. A statement runs in a
// transaction that is rolled back, and one that names a function whose effect stays is refused. It
// runs with the rights of its session, so what it calls in a roundabout way is up to whoever gives it.
package explain
