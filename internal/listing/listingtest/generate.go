package listingtest

import (
	"cmp"
	"slices"
	"strings"

	"pgregory.net/rapid"

	"github.com/freshlist/freshlist/internal/description"
	"github.com/freshlist/freshlist/internal/listing"
)

// Null generates what g does, and now and then a NULL.
func Null[T any](g *rapid.Generator[T]) *rapid.Generator[listing.Null[T]] {
	return rapid.Custom(func(t *rapid.T) listing.Null[T] {
		if rapid.IntRange(0, 3).Draw(t, "null") == 0 {
			return listing.Null[T]{}
		}
		return listing.Some(g.Draw(t, "value"))
	})
}

// Maybe generates what g does, or, more often, nothing: a condition of a filter.
func Maybe[T any](g *rapid.Generator[T]) *rapid.Generator[listing.Null[T]] { return seldom(g, 3) }

// seldom generates what g does once in most+1 times.
func seldom[T any](g *rapid.Generator[T], most int) *rapid.Generator[listing.Null[T]] {
	return rapid.Custom(func(t *rapid.T) listing.Null[T] {
		if rapid.IntRange(0, most).Draw(t, "given") != 0 {
			return listing.Null[T]{}
		}
		return listing.Some(g.Draw(t, "value"))
	})
}

// IDs generates the keys of a table whose key is a whole number.
func IDs(g *rapid.Generator[int64]) *rapid.Generator[listing.Value] {
	return rapid.Map(g, func(id int64) listing.Value { return listing.Value{Number: id} })
}

// RowKeys generates keys of a table's rows, so few that they meet often.
func RowKeys(table *listing.Table) *rapid.Generator[listing.Value] {
	return StoredValues(table, table.Key)
}

// Rows generates rows with one of the given keys, as they are captured: an array is what
// listing.Filter.Match looks into. A NULL may be in any column but the key, since NOT NULL can
// be dropped; it is rare where it should not be.
func Rows(table *listing.Table, key *rapid.Generator[listing.Value]) *rapid.Generator[listing.Row] {
	return rows(table, key, table.AllColumns(), StoredValues)
}

// ShownRows generates rows with one of the given keys as answers have them: only some columns,
// and arrays as JSON.
func ShownRows(table *listing.Table, key *rapid.Generator[listing.Value], columns listing.Columns) *rapid.Generator[listing.Row] {
	return rows(table, key, columns, shownValues)
}

func rows(
	table *listing.Table, key *rapid.Generator[listing.Value], columns listing.Columns,
	values func(*listing.Table, int) *rapid.Generator[listing.Value],
) *rapid.Generator[listing.Row] {
	return rapid.Custom(func(t *rapid.T) listing.Row {
		r := table.NewRow()
		for i := range table.Columns {
			c := &table.Columns[i]
			switch {
			case !columns.Has(i):
			case i == table.Key:
				r.Set(i, listing.Some(key.Draw(t, c.Name)))
			case c.NotNull && rapid.IntRange(0, 30).Draw(t, "not null") != 30:
				r.Set(i, listing.Some(values(table, i).Draw(t, c.Name)))
			default:
				r.Set(i, Null(values(table, i)).Draw(t, c.Name))
			}
		}
		return r
	})
}

// Filters generates filters that parameters can say, of few conditions mostly. They leave room
// for a cursor.
func Filters(table *listing.Table) *rapid.Generator[listing.Filter] {
	if len(table.Parameters) == 0 {
		return rapid.Just[listing.Filter](nil)
	}
	most := max(3, len(table.Parameters)/4) // about as many conditions, however many parameters
	return rapid.Custom(func(t *rapid.T) (f listing.Filter) {
		for i := range table.Parameters {
			c := conditions(table, i)
			if condition := seldom(c, most).Draw(t, table.Parameters[i].Name); condition.Valid {
				f = append(f, condition.V)
			}
		}
		order(table, f)
		for len(f.String(table)) > listing.MaxText/2 {
			f = f[:len(f)-1]
		}
		return f
	})
}

// Conditions generates what one parameter can ask for.
func conditions(table *listing.Table, parameter int) *rapid.Generator[listing.Condition] {
	return rapid.Custom(func(t *rapid.T) listing.Condition {
		c := listing.Condition{Parameter: parameter}
		switch p := &table.Parameters[parameter]; p.Kind {
		case description.AnyOf:
			c.Values = list(table, &table.Columns[p.Column], p.Column).Draw(t, "values")
		case description.Contains:
			c.Values = list(table, table.Columns[p.Column].Element, p.Column).Draw(t, "values")
		case description.BBox:
			c.Box = Boxes().Draw(t, "box")
		case description.Words:
			c.Text = rapid.SampledFrom([]string{"garden", `"big pool" -well & 1+1`}).Draw(t, "words")
		default:
			c.Bound = Values(table, p.Column).Draw(t, "bound")
		}
		return c
	})
}

// list generates the values of a list.
func list(table *listing.Table, c *listing.Column, number int) *rapid.Generator[[]listing.Value] {
	values := Values(table, number)
	return rapid.Custom(func(t *rapid.T) []listing.Value {
		list := rapid.SliceOfN(values, 1, 3).Draw(t, "list")
		slices.SortFunc(list, func(a, b listing.Value) int { return strings.Compare(c.Spell(a), c.Spell(b)) })
		return slices.Compact(list)
	})
}

// order puts a least value and a greatest of one column in order.
func order(table *listing.Table, f listing.Filter) {
	for i := range f {
		low := &table.Parameters[f[i].Parameter]
		c := &table.Columns[low.Column]
		if low.Kind != description.Min || !c.Ordered() {
			continue
		}
		for j := range f {
			high := &table.Parameters[f[j].Parameter]
			if high.Kind == description.Max && high.Column == low.Column && c.Order(f[i].Bound) > c.Order(f[j].Bound) {
				f[i].Bound, f[j].Bound = f[j].Bound, f[i].Bound
			}
		}
	}
}

// Boxes generates what a bbox can ask for.
func Boxes() *rapid.Generator[listing.Box] {
	return rapid.Custom(func(t *rapid.T) listing.Box {
		draw := func(degrees []float64, name string) float64 { return rapid.SampledFrom(degrees).Draw(t, name) }
		west, east := draw(longitudes, "west"), draw(longitudes, "east")
		south, north := draw(latitudes, "south"), draw(latitudes, "north")
		return listing.Box{West: min(west, east), South: min(south, north), East: max(west, east), North: max(south, north)}
	})
}

// Sorts generates the numbers of a table's orders.
func Sorts(table *listing.Table) *rapid.Generator[int] {
	return rapid.IntRange(0, len(table.Orders)-1)
}

// Keys generates places in an order, those of some rows.
func Keys(table *listing.Table, sort int, key *rapid.Generator[listing.Value]) *rapid.Generator[listing.Key] {
	c := table.Order(sort).Column
	r := ShownRows(table, key, listing.ColumnSet(table.Key, c.Number))
	return rapid.Custom(func(t *rapid.T) listing.Key {
		r := r.Draw(t, "row")
		return table.KeyOf(sort, &r)
	})
}

// Windows generates windows of an order: wide, or from one place to a later one. Those of a
// Wide order are wide.
func Windows(table *listing.Table, sort int, key *rapid.Generator[listing.Value]) *rapid.Generator[listing.Window] {
	keys := Keys(table, sort, key)
	return rapid.Custom(func(t *rapid.T) listing.Window {
		if rapid.IntRange(0, 3).Draw(t, "wide") == 0 || table.Orders[sort].Wide {
			return listing.Window{}
		}
		a, b := table.PlaceOf(sort, keys.Draw(t, "key")), table.PlaceOf(sort, keys.Draw(t, "other key"))
		if table.Compare(sort, a, b) > 0 {
			a, b = b, a
		}
		return listing.Window{Bounded: true, Last: a, Ahead: b}
	})
}

// Shown generates the keys of the rows of a page, or none.
func Shown(key *rapid.Generator[listing.Value]) *rapid.Generator[listing.Null[[]listing.Value]] {
	return rapid.Custom(func(t *rapid.T) listing.Null[[]listing.Value] {
		if rapid.IntRange(0, 2).Draw(t, "unknown") == 0 {
			return listing.Null[[]listing.Value]{}
		}
		return listing.Some(distinct(rapid.SliceOfN(key, 0, 4).Draw(t, "shown")))
	})
}

// distinct puts keys in order and returns each once; nil if there are none.
func distinct(keys []listing.Value) []listing.Value {
	slices.SortFunc(keys, func(a, b listing.Value) int {
		return cmp.Or(cmp.Compare(a.Number, b.Number), strings.Compare(a.Text, b.Text))
	})
	return some(slices.Compact(keys))
}

// Covers generates covers that an answer to a query may have: one for each of its joins, or none.
func Covers(q *listing.Query) *rapid.Generator[[]listing.Cover] {
	joins := q.Joins()
	if len(joins) == 0 {
		return rapid.Just[[]listing.Cover](nil)
	}
	return rapid.Custom(func(t *rapid.T) (covers []listing.Cover) {
		if rapid.IntRange(0, 5).Draw(t, "no covers") == 0 {
			return nil
		}
		for _, j := range joins {
			var c listing.Cover
			if rapid.IntRange(0, 5).Draw(t, "wide") > 0 {
				keys := StoredValues(j.Inner, j.Finder().Number)
				c.Bounded = true
				c.Keys = distinct(rapid.SliceOfN(keys, 0, 3).Draw(t, "keys"))
			}
			covers = append(covers, c)
		}
		if !slices.ContainsFunc(covers, func(c listing.Cover) bool { return c.Bounded }) {
			return nil
		}
		return covers
	})
}

// Queries generates queries of any kind; a page's cursor and a row's query have one of the
// given keys, as far as an address can have it.
func Queries(table *listing.Table, key *rapid.Generator[listing.Value]) *rapid.Generator[listing.Query] {
	addressable := key.Filter(func(v listing.Value) bool {
		_, ok := table.ParseKey(table.KeyColumn().Spell(v))
		return ok
	})
	return rapid.Custom(func(t *rapid.T) listing.Query {
		switch rapid.IntRange(0, 5).Draw(t, "kind") {
		case 0:
			return table.RowQuery(addressable.Draw(t, "key"))
		case 1:
			return listing.Query{Table: table, Kind: listing.SummaryKind, Filter: Filters(table).Draw(t, "filter")}
		default:
			return Pages(table, key).Draw(t, "page")
		}
	})
}

// Pages generates the queries of pages.
func Pages(table *listing.Table, key *rapid.Generator[listing.Value]) *rapid.Generator[listing.Query] {
	return rapid.Custom(func(t *rapid.T) listing.Query {
		q := listing.Query{
			Table:  table,
			Filter: Filters(table).Draw(t, "filter"),
			Sort:   Sorts(table).Draw(t, "sort"),
			Limit:  rapid.SampledFrom([]int{1, 2, 3, listing.DefaultLimit, listing.MaxLimit}).Draw(t, "limit"),
		}
		q.After = Maybe(Keys(table, q.Sort, key)).Draw(t, "cursor")
		q.Backward = q.After.Valid && rapid.Bool().Draw(t, "backward")
		return q
	})
}

// Querysets generates answers to a query; their rows need not match the query.
func Querysets(q listing.Query) *rapid.Generator[listing.Queryset] {
	keys := RowKeys(q.Table)
	return rapid.Custom(func(t *rapid.T) listing.Queryset {
		qs := listing.Queryset{Query: q}
		switch q.Kind {
		case listing.SummaryKind:
			qs.Summary = summaries(q.Table).Draw(t, "summary")
		case listing.RowKind:
			qs.Items = some(rapid.SliceOfN(answered(&q, keys), 0, 1).Draw(t, "items"))
		default:
			qs.Items = some(rapid.SliceOfN(answered(&q, keys), 0, 4).Draw(t, "items"))
			qs.Ahead = Maybe(Keys(q.Table, q.Sort, keys)).Draw(t, "ahead")
		}
		return qs
	})
}

// answered generates rows of an answer, with inner rows.
func answered(q *listing.Query, keys *rapid.Generator[listing.Value]) *rapid.Generator[listing.Row] {
	rows := ShownRows(q.Table, keys, q.Columns())
	return rapid.Custom(func(t *rapid.T) listing.Row {
		r := rows.Draw(t, "row")
		for _, j := range q.Joins() {
			most := 1
			if j.Many {
				most = 3
			}
			inner := ShownRows(j.Inner, RowKeys(j.Inner), j.Shown)
			r.SetInner(j, some(rapid.SliceOfN(inner, 0, most).Draw(t, j.Name)))
		}
		return r
	})
}

func summaries(table *listing.Table) *rapid.Generator[listing.Summary] {
	return rapid.Custom(func(t *rapid.T) listing.Summary {
		s := listing.Summary{Count: rapid.Int64().Draw(t, "count")}
		for _, column := range table.Stats {
			values := Null(StoredValues(table, column))
			mean := table.Columns[column].MeanColumn()
			s.Stats = append(s.Stats, listing.Stat{
				Min:  values.Draw(t, "min"),
				Max:  values.Draw(t, "max"),
				Mean: Null(formValues(&mean)).Draw(t, "mean"),
			})
		}
		for _, f := range table.Table.Facets {
			facet := rapid.Custom(func(t *rapid.T) listing.Facet {
				return listing.Facet{Value: Null(StoredValues(table, f.Column)).Draw(t, "value"), Count: rapid.Int64().Draw(t, "count")}
			})
			s.Facets = append(s.Facets, some(rapid.SliceOfN(facet, 0, 4).Draw(t, f.Name)))
		}
		return s
	})
}

// some returns nil for an empty slice.
func some[T any](list []T) []T {
	if len(list) == 0 {
		return nil
	}
	return list
}

// Texts generates texts much like canonical texts of a table's queries, seldom good ones.
func Texts(table *listing.Table) *rapid.Generator[string] {
	pieces := strings.Split("/summary|/17|?|&|=|,|%|+|FOLSOM|5|.|50|limit=|sort=|cursor=", "|")
	for _, p := range table.Parameters {
		pieces = append(pieces, p.Name+"=")
	}
	for _, o := range table.Orders {
		pieces = append(pieces, o.Name)
	}
	piece := rapid.OneOf(rapid.SampledFrom(append(pieces, table.Name)), rapid.String())
	return rapid.Custom(func(t *rapid.T) string {
		return table.Name + strings.Join(rapid.SliceOfN(piece, 0, 8).Draw(t, "pieces"), "")
	})
}
