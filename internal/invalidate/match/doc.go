// Package match decides which cached queries a change of the table affects. It is pure: rows
// and queries go in, the canonical texts of the queries to purge come out. Every decision
// about what to purge is made here.
//
// Affects is the decision for one query, a small table. Index finds, among very many live
// queries, the few for which that decision has to be made.
//
// The invariant: a query whose answer a change altered is always among the affected ones.
// Where Go cannot decide as PostgreSQL does (a text search, a query that this build cannot
// parse, an envelope of many rows) it says yes.
package match
