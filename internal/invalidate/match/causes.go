package match

import (
	"fmt"
	"strconv"

	"github.com/freshlist/freshlist/internal/description"
	"github.com/freshlist/freshlist/internal/listing"
)

// Causes says in sentences which changes would purge the query.
func (l *Live) Causes() []string {
	if l.table == nil {
		return []string{"every change: this build cannot read the query"}
	}
	t := l.table.table
	everything := "TRUNCATE of " + t.Relation.String() + ", another definition or description of it, and a statement of very many rows that may touch the query"
	if l.list == nil {
		shown := listed(l.names(t.ItemColumns | listing.ColumnSet(t.Key)))
		return []string{
			fmt.Sprintf("INSERT or DELETE of the row of %s with %s = %s", t.Relation, t.KeyColumn().Name, t.KeyColumn().Spell(l.key)),
			"UPDATE of that row that changes " + shown,
			everything,
		}
	}
	rows := "a row of " + t.Relation.String()
	if f := l.list.filter.Filter; len(f) > 0 {
		rows += " with " + f.String(t)
	}
	shown := listed(l.names(l.table.shows(&l.list.hotFields)))
	var causes []string
	if l.list.summary {
		causes = []string{"INSERT or DELETE of " + rows, "UPDATE that makes one of it, or that of another",
			"UPDATE of such a row that changes " + shown}
	} else {
		causes = []string{
			"INSERT, DELETE or UPDATE that brings " + rows + " onto the page or takes it off, by place: " + l.Covers(),
			"UPDATE of a row on the page that changes " + shown,
		}
		if l.list.bounded {
			causes = append(causes, "DELETE or UPDATE that takes away the row behind the page, which shows that there is a next one")
		}
	}
	if l.list.wide {
		judged := listed(l.names(l.list.filter.wide))
		causes = append(causes, "any of these for a row that only PostgreSQL could tell from one that is found: "+judged+" count as found")
		if l.list.shown != nil {
			causes = append(causes, "not for one that could have been found before, and was not, unless it changes "+judged)
		}
	}
	return append(causes, everything)
}

// Covers says how far the page reaches; "" for what is no page.
func (l *Live) Covers() string {
	if l.list == nil || l.list.summary {
		return ""
	}
	o := &l.table.orders[l.list.sort]
	by := o.column.Name
	if o.descending {
		by += " descending"
	}
	from := "from the first row by " + by
	if l.list.hasAfter {
		from = "behind " + o.spell(l.list.after) + ", by " + by
	}
	if !l.list.bounded {
		return from + ", to the end"
	}
	return from + ", up to " + o.spell(l.list.last) + "; the next row is " + o.spell(l.list.ahead)
}

// spell spells a place.
func (o *order) spell(p place) string {
	key := p.key
	if o.descending {
		key = ^key
	}
	return o.column.Name + " " + spellOrder(o.column, o.value(p)) + " of " + o.key.Name + " " + spellOrder(o.key, listing.Some(key))
}

// spellOrder spells a value of a column by the number that Order has made of it. Of a text that
// is its beginning.
func spellOrder(c *listing.Column, at listing.Null[int64]) string {
	switch {
	case !at.Valid:
		return "NULL"
	case c.Form.InNumber():
		return c.Spell(listing.Value{Number: at.V})
	case c.Form == listing.Spelled && c.Type.Kind != description.Char:
		return strconv.FormatFloat(listing.FloatOf(at.V), 'g', -1, 64)
	}
	return fmt.Sprintf("%q...", c.Beginning(at.V))
}
