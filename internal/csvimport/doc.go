// Package csvimport reads a file of comma-separated values into a described table: rows of
// known keys are changed, others are added. It is all or nothing.
//
// The header says which columns there are: see header.go. Each field is judged by the rules by
// which the API judges what clients write: listing.Column.ReadField. The rows go by COPY into a
// temporary table, and from there by one INSERT ... ON CONFLICT into the table. So capture sees
// one bulk statement, and whatever else is wrong, such as a key that the file has twice, is
// found before the table is touched.
//
// All faults of a file are found together, each with its line and column.
package csvimport
