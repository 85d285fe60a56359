package listing

import (
	"github.com/freshlist/freshlist/internal/description"
)

// Join is rows of another table, or of the same, inside a row of a table, ready for use: one
// row, whose key a column of the outer row holds, or, with Many, those that hold the outer
// row's key. Inner rows have no inner rows of their own.
type Join struct {
	*description.Join
	Number   int     // its place in Table.Joins
	Outer    *Table  // the table that has the join
	Inner    *Table  // the table of the inner rows
	By       *Column // that holds a key: of Outer, or with Many of Inner
	Order    *Column // with Many: of Inner, that orders the inner rows of one row, NULL last; the key breaks ties
	JSONName string  // the member of a row's JSON behind another one, up to its value: ,"agent":

	Shown Columns // of Inner, that inner rows have: what lists of Inner show, and the key
	Used  Columns // of Inner, on whose values it depends which inner rows are shown, how, and in which order
}

func newJoin(t *Table, number int) Join {
	d := &t.With[number]
	inner := t.Site.Tables[d.Table]
	j := Join{Join: d, Number: number, Outer: t, Inner: inner, JSONName: jsonName(d.Name)}
	j.Shown = inner.ListColumns | ColumnSet(inner.Key)
	j.Used = j.Shown
	if d.Many {
		j.By, j.Order = &inner.Columns[d.By], &inner.Columns[d.Order]
		j.Used |= ColumnSet(d.By, d.Order)
	} else {
		j.By = &t.Columns[d.By]
	}
	return j
}

// Finder returns the column of Inner by which inner rows are found: its key, or with Many the
// column that holds the outer row's key.
func (j *Join) Finder() *Column {
	if j.Many {
		return j.By
	}
	return j.Inner.KeyColumn()
}

// Sought returns which value of Finder's column the inner rows of an outer row have: what its
// joining column holds, or with Many its own key. A NULL finds no row.
func (j *Join) Sought(outer *Row) Null[Value] {
	if j.Many {
		return Some(outer.Values[j.Outer.Key])
	}
	return outer.Get(j.By.Number)
}

// Joins returns the joins whose rows the query's answer shows. A row of the answer has them in
// Row.Inner: see Row.InnerOf.
func (q *Query) Joins() []*Join {
	switch q.Kind {
	case RowKind:
		return q.Table.itemJoins
	case PageKind:
		return q.Table.listJoins
	}
	return nil
}

// addJoins makes the table's joins, once the site has all of its tables.
func (t *Table) addJoins() {
	for i := range t.With {
		t.Joins = append(t.Joins, newJoin(t, i))
	}
	for i := range t.Joins {
		j := &t.Joins[i]
		t.itemJoins = append(t.itemJoins, j)
		if j.Lists {
			t.listJoins = append(t.listJoins, j)
		}
		if j.Many {
			j.Inner.sought |= ColumnSet(j.By.Number)
			continue
		}
		t.itemJoining |= ColumnSet(j.By.Number)
		if j.Lists {
			t.listJoining |= ColumnSet(j.By.Number)
		}
	}
}

// Cover is which keys a query's answer looked for in the rows of a join, found or not: those
// that its rows name, or with Many its rows' own keys. An inner row that is found by none of
// them, neither before a change nor after it, is not in the answer. The zero Cover is wide:
// any key may have been looked for.
type Cover struct {
	Bounded bool
	Keys    []Value // values of the join's Finder, distinct, in order
}

// covers returns the covers of the answer, one for each of the query's joins.
func (qs *Queryset) covers() []Cover {
	joins := qs.Query.Joins()
	if len(joins) == 0 {
		return nil
	}
	covers := make([]Cover, len(joins))
	for i, j := range joins {
		covers[i] = qs.cover(j)
	}
	return covers
}

func (qs *Queryset) cover(j *Join) Cover {
	c := Cover{Bounded: true}
	if qs.Query.Kind == RowKind && j.Many {
		c.Keys = []Value{qs.Query.Key} // whether there is such a row or not
		return c
	}
	for i := range qs.Items {
		if key := j.Sought(&qs.Items[i]); key.Valid {
			c.Keys = append(c.Keys, key.V)
		}
	}
	var fits bool
	if c.Keys, fits = sortKeys(c.Keys); !fits {
		return Cover{}
	}
	return c
}
