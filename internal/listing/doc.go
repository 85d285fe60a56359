// Package listing holds the nouns that both paths of freshlist share: a described table and
// its rows, the queries that can be asked about them, their one canonical spelling, and what
// it means that a row belongs to a query's answer.
//
// The read path uses it to parse requests and to encode answers, the write path to decide
// which answers a change touches. It does no I/O. All that it knows of a table comes from
// its description. A value is exact: a number is an integer of its column's scale, and never
// becomes a float on the way.
//
// It holds every value that a column's type can hold, also those that the table's checks keep
// out, for a check can be dropped: NaN, the infinities, and NULL in any column.
package listing
