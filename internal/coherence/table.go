package coherence

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/freshlist/freshlist/internal/description"
	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/pgvalue"
)

// contents is one state of the tables that a site describes.
type contents struct {
	site *listing.Site
	rows map[string]table // that the checked queries can see, by the table's name
}

// table is the rows of one table.
type table []listing.Row

// noise is the first id of the rows that no checked query shows.
const noise = 1000000

// readContents reads the present state, where nobody else commits meanwhile.
func readContents(ctx context.Context, conn *pgx.Conn, site *listing.Site) (contents, error) {
	now := contents{site, map[string]table{}}
	for _, t := range site.Tables {
		rows, err := readTable(ctx, conn, t)
		if err != nil {
			return contents{}, err
		}
		now.rows[t.Name] = rows
	}
	return now, nil
}

func readTable(ctx context.Context, conn *pgx.Conn, t *listing.Table) (table, error) {
	var columns []string
	for i := range t.Columns {
		c := &t.Columns[i]
		columns = append(columns, pgvalue.Expression(c, description.QuoteIdentifier(c.Name)))
	}
	rows, err := conn.Query(ctx, "select "+strings.Join(columns, ", ")+" from "+t.Relation.SQL()+" where id < $1",
		pgx.QueryResultFormats{pgx.BinaryFormatCode}, noise)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (listing.Row, error) {
		r := t.NewRow()
		for i, b := range row.RawValues() {
			if b == nil {
				r.Set(i, listing.Null[listing.Value]{})
				continue
			}
			v, err := pgvalue.Decode(&t.Columns[i], b)
			if err != nil {
				return listing.Row{}, err
			}
			r.Values[i] = v
		}
		return r, nil
	})
}

// as returns the state as another site of the same tables has it, which uses no other columns.
func (c contents) as(site *listing.Site) contents {
	other := contents{site, map[string]table{}}
	for _, t := range site.Tables {
		own := c.site.Table(t.Name)
		for i := range c.rows[t.Name] {
			r := t.NewRow()
			for n := range t.Columns {
				r.Set(n, c.rows[t.Name][i].Get(own.Column(t.Columns[n].Name)))
			}
			other.rows[t.Name] = append(other.rows[t.Name], r)
		}
	}
	return other
}

// answer is what a query of the site must be answered in this state.
func (c contents) answer(q listing.Query) listing.Queryset {
	t := c.rows[q.Table.Name]
	var qs listing.Queryset
	switch q.Kind {
	case listing.RowKind:
		qs = t.row(q)
	case listing.SummaryKind:
		return listing.Queryset{Query: q, Summary: summarize(q.Table, t.matching(&q))}
	default:
		qs = t.page(q)
	}
	for _, j := range q.Joins() {
		for i := range qs.Items {
			qs.Items[i].SetInner(j, c.inner(j, &qs.Items[i]))
		}
	}
	return qs
}

// inner returns the rows of a join that stand inside a row.
func (c contents) inner(j *listing.Join, outer *listing.Row) []listing.Row {
	var rows table
	sought := j.Sought(outer)
	for _, r := range c.rows[j.Inner.Name] {
		if sought.Valid && r.Get(j.Finder().Number) == sought {
			rows = append(rows, r)
		}
	}
	if j.Many {
		slices.SortFunc(rows, func(a, b listing.Row) int {
			return cmp.Or(cmp.Compare(a.Values[j.Order.Number].Number, b.Values[j.Order.Number].Number),
				cmp.Compare(a.Values[j.Inner.Key].Number, b.Values[j.Inner.Key].Number))
		})
	}
	return rows[:min(len(rows), listing.MaxInner)]
}

func (t table) row(q listing.Query) listing.Queryset {
	qs := listing.Queryset{Query: q}
	for _, r := range t {
		if r.Values[q.Table.Key] == q.Key {
			qs.Items = append(qs.Items, r)
		}
	}
	return qs
}

func (t table) page(q listing.Query) (qs listing.Queryset) {
	qs.Query = q
	place := func(r *listing.Row) listing.Place { return q.Table.PlaceOf(q.Sort, q.Table.KeyOf(q.Sort, r)) }
	rows := t.matching(&q)
	direction := 1 // of reading
	if q.Backward {
		direction = -1
		defer func() { slices.Reverse(qs.Items) }()
	}
	slices.SortFunc(rows, func(a, b listing.Row) int { return direction * q.Table.Compare(q.Sort, place(&a), place(&b)) })
	for _, r := range rows {
		switch {
		case q.After.Valid && direction*q.Table.Compare(q.Sort, place(&r), q.Table.PlaceOf(q.Sort, q.After.V)) <= 0:
			continue
		case len(qs.Items) == q.Limit:
			qs.Ahead = listing.Some(q.Table.KeyOf(q.Sort, &r))
			return qs
		}
		qs.Items = append(qs.Items, r)
	}
	return qs
}

// matching returns the rows of a filter. Its text, if any, is one word in small letters that
// PostgreSQL does not shorten.
func (t table) matching(q *listing.Query) table {
	var rows table
	for _, r := range t {
		if q.Filter.Match(q.Table, &r) && !slices.ContainsFunc(q.Filter, func(c listing.Condition) bool { return !says(q.Table, &r, c.Text) }) {
			rows = append(rows, r)
		}
	}
	return rows
}

// says reports whether the words that are searched hold a word, or whether there is none.
func says(t *listing.Table, r *listing.Row, word string) bool {
	var text []string
	for _, c := range t.Search {
		text = append(text, strings.Fields(strings.ToLower(r.Values[c].Text))...)
	}
	return word == "" || slices.Contains(text, word)
}

func summarize(t *listing.Table, rows table) listing.Summary {
	s := listing.Summary{Count: int64(len(rows))}
	for _, c := range t.Stats {
		s.Stats = append(s.Stats, stat(rows, c))
	}
	for _, f := range t.Table.Facets {
		s.Facets = append(s.Facets, facets(&t.Columns[f.Column], rows))
	}
	return s
}

// stat is the least, the greatest and the mean value of a column of decimals.
func stat(rows table, column int) (s listing.Stat) {
	var sum, n int64
	for _, r := range rows {
		v := r.Get(column)
		if !v.Valid {
			continue
		}
		if n == 0 || v.V.Number < s.Min.V.Number {
			s.Min = v
		}
		if n == 0 || v.V.Number > s.Max.V.Number {
			s.Max = v
		}
		sum, n = sum+v.V.Number, n+1
	}
	switch { // half away from zero
	case n == 0:
	case s.Max.V.Number == listing.NaN:
		s.Mean = s.Max
	case sum < 0:
		s.Mean = listing.Some(listing.Value{Number: (2*sum - n) / (2 * n)})
	default:
		s.Mean = listing.Some(listing.Value{Number: (2*sum + n) / (2 * n)})
	}
	return s
}

// facets counts values: the most frequent first, then by value, NULL last.
func facets(c *listing.Column, rows table) []listing.Facet {
	count := map[listing.Null[listing.Value]]int64{}
	for _, r := range rows {
		count[r.Get(c.Number)]++
	}
	var all []listing.Facet
	for v, n := range count {
		all = append(all, listing.Facet{Value: v, Count: n})
	}
	slices.SortFunc(all, func(a, b listing.Facet) int {
		switch {
		case a.Count != b.Count:
			return cmp.Compare(b.Count, a.Count)
		case a.Value.Valid != b.Value.Valid && a.Value.Valid:
			return -1
		case a.Value.Valid != b.Value.Valid:
			return +1
		}
		return cmp.Or(cmp.Compare(a.Value.V.Number, b.Value.V.Number), strings.Compare(a.Value.V.Text, b.Value.V.Text))
	})
	return all
}

// cents returns a price in dollars as it is kept.
func cents(dollars int64) listing.Null[listing.Value] {
	return listing.Some(listing.Value{Number: 100 * dollars})
}

// id returns an id as it is kept.
func id(n int64) listing.Value { return listing.Value{Number: n} }
