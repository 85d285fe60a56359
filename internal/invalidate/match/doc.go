// Package match decides which cached queries a change of a table affects. It is pure: rows
// and queries go in, the canonical texts of the queries to purge come out. Every decision
// about what to purge is made here.
//
// Index finds, among very many live queries, the few for which that decision has to be made.
// All that it knows of a table comes from its description.
//
// The invariant: a query whose answer a change altered is always among the affected ones.
// Where Go cannot decide as PostgreSQL does (a text search, a type that only PostgreSQL
// compares, a query that this build cannot parse, an envelope of many rows) it says yes.
package match
