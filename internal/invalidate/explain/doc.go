// Package explain answers two questions: what is known of a cached query, and what would a
// statement purge? It decides nothing by itself: which queries a change affects, and why, is
// decided in package match, as for the invalidator.
//
// Its invariant: it leaves nothing behind. A statement runs in a transaction that is rolled back.
package explain
