package main

import (
	"slices"
	"strings"
)

// columns are mutants that forget a column each: in what the envelope of a bulk
// edit bounds, and in what of it a query's filter is held against.
func columns() []Mutant {
	var all []Mutant
	forget := func(name, file, line, instead, pkg, run string) {
		all = append(all, Mutant{name, []Edit{{file, line, instead}}, pkg, run})
	}
	// Without a bound, a bulk edit purges what it cannot have touched.
	for what, condition := range map[string]string{
		"least values":    "e.overlaps(column, span{column.Order(c.Bound), highest})",
		"greatest values": "e.overlaps(column, span{lowest, column.Order(c.Bound)})",
		"NULLs only":      "e.Least.Null(n) != e.Greatest.Null(n)",
		"cursors":         "r.values && (o.wide || e.overlaps(o.column, s))",
		"hidden columns":  "e.Changed&l.depends() != 0",
		"values":          "slices.Contains(set, v)",
	} {
		forget("match/bulk passes over "+what, match+"envelope.go", condition, "true", "./internal/invalidate/match", "Envelope")
	}
	for what, edges := range map[string]string{
		"the latitude":  "degrees(latitude, c.Box.South, c.Box.North)",
		"the longitude": "degrees(longitude, c.Box.West, c.Box.East)",
	} {
		forget("match/bulk passes over "+what, match+"envelope.go", edges, "everything()", "./internal/invalidate/match", "Envelope")
	}
	slices.SortFunc(all, func(a, b Mutant) int { return strings.Compare(a.Name, b.Name) })
	return all
}
