package csvimport

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/freshlist/freshlist/internal/description"
	"github.com/freshlist/freshlist/internal/listing"
)

// target is a column of the table that the file has values for.
type target struct {
	*listing.Column
	*attribute
	field   int               // of a line, from 0
	header  string            // the file's name of it
	meaning map[string]string // of values, by their folded spelling
}

// header matches the names of a file with the columns of a table.
type header struct {
	table      *listing.Table
	attributes []attribute
	names      []string // of the file
	at         func(field int) (line int64, column int)
	faults     *Faults

	targets []target
	notes   []string // what the file has and is not taken
	unknown []string
}

// candidate is a column that a name of the file may stand for.
type candidate struct {
	column int
	rank   int // among the names of the column: 0 for its own, then those of from
	exact  bool
	source *description.Source
}

// match matches all names.
func (h *header) match() {
	taken := map[int][]candidate{} // by field
	fields := map[int][]int{}      // by column
	for i, name := range h.names {
		found := h.candidates(name)
		switch {
		case strings.TrimSpace(name) == "":
			h.note(i, "has no name")
		case len(found) == 0:
			h.unmatched(i)
		case len(found) > 1:
			h.fault(i, "%s may be %s or %s: write the name of the column as the table has it", shown(name),
				h.table.Columns[found[0].column].Name, h.table.Columns[found[1].column].Name)
		default:
			taken[i] = found
			fields[found[0].column] = append(fields[found[0].column], i)
		}
	}
	for n := range h.table.Columns {
		list := fields[n]
		if len(list) == 0 {
			continue
		}
		slices.SortStableFunc(list, func(a, b int) int { return cmp.Compare(taken[a][0].rank, taken[b][0].rank) })
		h.take(n, list[0], taken[list[0]][0])
		for _, other := range list[1:] {
			if taken[other][0].rank == taken[list[0]][0].rank {
				h.fault(other, "%s is there for the second time", shown(h.names[other]))
			} else {
				h.note(other, "is not taken: "+h.table.Columns[n].Name+" is read from "+shown(h.names[list[0]]))
			}
		}
	}
	slices.SortFunc(h.targets, func(a, b target) int { return cmp.Compare(a.field, b.field) })
	h.missing()
}

// take notes that a column is read from a field.
func (h *header) take(column, field int, c candidate) {
	t := target{Column: &h.table.Columns[column], field: field, header: h.names[field]}
	t.attribute = attributeOf(h.attributes, t.Column.Name)
	if t.attribute == nil {
		h.fault(field, "column %s of %s is not there any more; as its owner run: invalidator install", t.Column.Name, h.table.Relation)
		return
	}
	if t.generated {
		h.note(field, "is not taken: PostgreSQL computes "+t.Column.Name)
		return
	}
	if c.source != nil && len(c.source.Values) > 0 {
		t.meaning = map[string]string{}
		for _, m := range c.source.Values {
			t.meaning[description.FoldName(m.From)] = m.To
		}
	}
	h.targets = append(h.targets, t)
}

// candidates returns the columns that a name may stand for: those of that very name, or else
// those whose name is the same but for case, blanks and underscores.
func (h *header) candidates(name string) (found []candidate) {
	name = strings.TrimSpace(name)
	folded := description.FoldName(name)
	for i := range h.table.Columns {
		c := &h.table.Columns[i]
		if c.Member == "" && c.Name != name {
			continue // nobody described it; something else of the table uses it
		}
		switch {
		case c.Name == name || c.Member == name:
			found = append(found, candidate{column: i, exact: true})
		case folded == description.FoldName(c.Name) || folded == description.FoldName(c.Member):
			found = append(found, candidate{column: i})
		default:
			for rank := range c.From {
				if description.FoldName(c.From[rank].Name) == folded {
					found = append(found, candidate{column: i, rank: rank + 1, source: &c.From[rank]})
				}
			}
		}
	}
	if exact := slices.DeleteFunc(slices.Clone(found), func(c candidate) bool { return !c.exact }); len(exact) == 1 {
		return exact
	}
	return found
}

// unmatched notes a name that stands for no column.
func (h *header) unmatched(field int) {
	name := h.names[field]
	if a := attributeOf(h.attributes, strings.TrimSpace(name)); a != nil {
		h.note(field, "is not taken: the description does not use that column")
		return
	}
	h.unknown = append(h.unknown, name)
	var names []string
	for i := range h.table.Columns {
		if c := &h.table.Columns[i]; c.Member != "" {
			names = append(names, c.Name)
			for _, s := range c.From {
				names = append(names, s.Name)
			}
		}
	}
	if near := description.Nearest(strings.TrimSpace(name), names); near != "" {
		h.note(field, "is no column of "+h.table.Name+" and is not taken; did you mean "+near+"?")
		return
	}
	h.note(field, "is no column of "+h.table.Name+" and is not taken")
}

// missing refuses a file without values that every row needs.
func (h *header) missing() {
	for i := range h.attributes {
		a := &h.attributes[i]
		if !a.notNull || a.standard != "" || a.generated || targetOf(h.targets, a.name) != nil {
			continue
		}
		also := ""
		if n := h.table.Column(a.name); n >= 0 && len(h.table.Columns[n].From) > 0 {
			var names []string
			for _, s := range h.table.Columns[n].From {
				names = append(names, s.Name)
			}
			also = ", or " + listing.Either(names)
		}
		text := fmt.Sprintf("the file has no %s%s, and every row of %s needs one", a.name, also, h.table.Name)
		if near := description.Nearest(a.name, h.unknown); near != "" {
			text += "; is it " + shown(near) + "?"
		}
		h.faults.add(1, 0, "%s", text)
	}
}

// targetOf returns the target that is the column of a name, nil if there is none.
func targetOf(targets []target, name string) *target {
	for i := range targets {
		if targets[i].Column.Name == name {
			return &targets[i]
		}
	}
	return nil
}

func (h *header) fault(field int, format string, args ...any) {
	line, column := h.at(field)
	h.faults.add(line, column, format, args...)
}

func (h *header) note(field int, what string) {
	name := shown(h.names[field])
	if strings.TrimSpace(h.names[field]) == "" {
		name = fmt.Sprintf("column %d", field+1)
	}
	h.notes = append(h.notes, name+" "+what)
}
