package match

import (
	"slices"
	"strings"

	"github.com/freshlist/freshlist/internal/listing"
)

// Decision is what a change means for one live query, and why.
type Decision struct {
	Purged bool
	Rule   Rule
	// Of a page, where the row stood before and where it stands after. Of a summary only whether it was Missed.
	Before, After Standing
	// The conditions that kept the row, before and after, from being of the query's filter, such
	// as "city=FOLSOM"; "" where none did. Of an envelope only Before.
	Outside, OutsideAfter string
	// Columns of the change that decided, by name: those that the answer shows, counts by, or
	// has judged; or if there is none of them, those that changed.
	Columns []string
	Join    string // of InnerRow and NotSought: where the answer shows rows of the changed table inside its own
}

// Rule is the rule that decided.
type Rule uint8

// The rules.
const (
	Unreadable    Rule = iota // the query's text does not parse: every change purges it
	AnyChange                 // the change may have touched anything
	OtherTable                // the change is of another table
	OtherRow                  // the query asks for another row
	OwnRow                    // the query asks for the row that changed
	NotShown                  // no column that the answer depends on changed
	NotOfFilter               // the row is not of the filter, before and after
	IntoFilter                // the row comes into a summary's filter
	OutOfFilter               // the row leaves a summary's filter
	Counted                   // the row is of a summary's filter, and a column that it counts by changed
	PlaceOnPage               // where the row stands to a page decided
	BulkTouches               // some row of a bulk statement may be of the query
	BulkOutside               // no row of a bulk statement can be of the filter
	BulkElsewhere             // no row of a bulk statement can stand where the page reaches
	InnerRow                  // the answer looked for the row, to show it inside one of its own
	NotSought                 // the answer shows such rows inside its own, and did not look for this one
	NotFound                  // only PostgreSQL can judge the row: it was not found, and is judged as before

	Rules = iota // how many there are
)

var rules = [Rules]string{
	"unreadable", "any-change", "other-table", "other-row", "own-row", "not-shown", "not-of-filter",
	"into-filter", "out-of-filter", "counted", "place-on-page", "bulk-touches", "bulk-outside", "bulk-elsewhere",
	"inner-row", "not-sought", "not-found",
}

// String returns a word for the rule.
func (r Rule) String() string { return rules[r] }

// Standing is where a row stands to a page.
type Standing uint8

// The standings.
const (
	Absent     Standing = iota // there is no such row
	Excluded                   // not of the filter
	BeforePage                 // not behind the cursor
	OnPage                     // one of the page's rows
	NextRow                    // behind the page's last row, up to the one that showed that there is a next page; of a page before a cursor, likewise before its first
	BehindPage                 // behind that
	Missed                     // only before: where the page reaches, and not found by a condition that only PostgreSQL can judge
)

var standings = [...]string{
	"no row", "not of the filter", "on an earlier page", "on the page", "next to the page", "on a later page",
	"where the page reaches, and not found",
}

func (s Standing) String() string { return standings[s] }

// Explain says what a change means for the query, and why.
func (l *Live) Explain(c *Change) Decision {
	switch {
	case l.table == nil:
		return Decision{Purged: true, Rule: Unreadable}
	case c.Table == nil, !l.knows(c.Table):
		return Decision{Purged: true, Rule: AnyChange}
	}
	d := l.explainOwn(c)
	if !d.Purged {
		d = l.explainInside(c, d)
	}
	return d
}

// Judge is Explain without the words, which very many queries would take long to find: of the
// decision only Purged and Rule are for use.
func (l *Live) Judge(c *Change) Decision {
	brief := *l
	brief.brief = true
	return brief.Explain(c)
}

// explainOwn explains for the query's own table.
func (l *Live) explainOwn(c *Change) Decision {
	switch {
	case c.Table.Number != l.table.table.Number:
		return Decision{Rule: OtherTable}
	case !c.bounded():
		return Decision{Purged: true, Rule: AnyChange}
	case c.Kind == BulkChange:
		return l.explainEnvelope(c.Bulk)
	case l.list == nil:
		return l.explainRow(c)
	case l.list.summary:
		return l.explainSummary(c)
	}
	return l.explainPage(c)
}

// joins returns the joins whose rows the answer shows.
func (l *Live) joins() []*listing.Join {
	q := listing.Query{Table: l.table.table, Kind: listing.RowKind}
	if l.list != nil {
		q.Kind = listing.PageKind
		if l.list.summary {
			q.Kind = listing.SummaryKind
		}
	}
	return q.Joins()
}

// explainInside explains for the rows of other tables, or of the same, that are shown inside the
// answer's rows; if the change is of none, it returns what has been said for the query's own table.
func (l *Live) explainInside(c *Change, own Decision) Decision {
	joins := l.joins()
	for i, j := range joins {
		if j.Inner.Number != c.Table.Number {
			continue
		}
		var cover listing.Cover
		switch {
		case l.list == nil && j.Many:
			cover = listing.Cover{Bounded: true, Keys: []listing.Value{l.key}}
		case len(l.covers) == len(joins):
			cover = l.covers[i]
		}
		d := explainJoin(j, &cover, c)
		if d.Purged {
			return d
		}
		if own.Rule == OtherTable {
			own = d
		}
	}
	return own
}

// explainJoin explains for the rows of a join.
func explainJoin(j *listing.Join, cover *listing.Cover, c *Change) Decision {
	if !c.bounded() {
		return Decision{Purged: true, Rule: AnyChange}
	}
	changed, sought := c.Changed, false
	if c.Kind == BulkChange {
		changed, sought = c.Bulk.Changed, !cover.Bounded
		for _, key := range cover.Keys {
			sought = sought || c.Bulk.mayHold(j.Finder(), key)
		}
	} else {
		sought = c.HasOld && seeks(j, cover, &c.Old) || c.HasNew && seeks(j, cover, &c.New)
	}
	d := Decision{Rule: NotShown, Join: j.Name, Columns: j.Inner.Names(changed & j.Used)}
	switch {
	case changed&j.Used == 0:
		d.Columns = j.Inner.Names(changed)
	case sought:
		d.Purged, d.Rule = true, InnerRow
	default:
		d.Rule = NotSought
	}
	return d
}

// seeks reports whether an answer with a cover has looked for a row.
func seeks(j *listing.Join, cover *listing.Cover, r *listing.Row) bool {
	key := r.Get(j.Finder().Number)
	return key.Valid && (!cover.Bounded || slices.Contains(cover.Keys, key.V))
}

// knows reports whether a table is one of the query's site, as any of its description's programs
// has made it.
func (l *Live) knows(t *listing.Table) bool {
	own := l.table.table.Site
	return t.Site == own || t.Site.Identity == own.Identity
}

// names returns the names of some columns.
func (l *Live) names(s listing.Columns) []string {
	if l.brief {
		return nil
	}
	return l.table.table.Names(s)
}

// explainRow explains for the answer of a single row.
func (l *Live) explainRow(c *Change) Decision {
	t := l.table.table
	own := c.HasOld && c.Old.Values[t.Key] == l.key || c.HasNew && c.New.Values[t.Key] == l.key
	shown := l.table.item
	switch {
	case !own:
		return Decision{Rule: OtherRow}
	case c.Changed&shown == 0:
		return Decision{Rule: NotShown, Columns: l.names(c.Changed)}
	}
	return Decision{Purged: true, Rule: OwnRow, Before: standingOf(c.HasOld), After: standingOf(c.HasNew), Columns: l.names(c.Changed & shown)}
}

// standingOf returns where a row stands to its own answer.
func standingOf(exists bool) Standing {
	if exists {
		return OnPage
	}
	return Absent
}

// outside returns the first condition that a row does not meet.
func (l *Live) outside(r *listing.Row) string {
	if l.brief {
		return ""
	}
	t := l.table.table
	f := l.list.filter.Filter
	for i := range f {
		if one := f[i : i+1]; !one.Match(t, r) {
			return one.String(t)
		}
	}
	return ""
}

// effect returns what the differing columns mean to the query, and which of them do.
func (l *Live) effect(c *Change) (effect, listing.Columns) {
	shown := c.Changed & l.table.shows(&l.list.hotFields)
	var judged listing.Columns
	if l.list.wide {
		judged = c.Changed & l.list.filter.wide
	}
	return effect{shown: shown != 0, judged: judged != 0}, shown | judged
}

// explainSummary explains for a summary.
func (l *Live) explainSummary(c *Change) Decision {
	before := c.HasOld && l.list.filter.match(&c.Old)
	after := c.HasNew && l.list.filter.match(&c.New)
	missed := before && l.missed(&c.Old)
	e, columns := l.effect(c)
	d := Decision{Purged: affectsSummary(before, after, missed, e), Columns: l.names(columns)}
	if missed {
		d.Before = Missed
	}
	if c.HasOld && !before {
		d.Outside = l.outside(&c.Old)
	}
	if c.HasNew && !after {
		d.OutsideAfter = l.outside(&c.New)
	}
	switch {
	case missed && after && !d.Purged:
		d.Rule, d.Columns = NotFound, l.names(c.Changed)
	case missed && !after:
		d.Rule = NotOfFilter
	case after && (missed || !before):
		d.Rule = IntoFilter
	case before && !after:
		d.Rule = OutOfFilter
	case !before:
		d.Rule = NotOfFilter
	case d.Purged:
		d.Rule = Counted
	default:
		d.Rule, d.Columns = NotShown, l.names(c.Changed)
	}
	return d
}

// explainPage explains for a page.
func (l *Live) explainPage(c *Change) Decision {
	e, columns := l.effect(c)
	d := Decision{Rule: PlaceOnPage, Columns: l.names(columns)}
	var from, to class
	from, d.Before, d.Outside = l.stand(&c.Old, c.HasOld)
	if from == in && l.missed(&c.Old) {
		from, d.Before = missed, Missed
	}
	to, d.After, d.OutsideAfter = l.stand(&c.New, c.HasNew)
	d.Purged = verdictOf(from, to).holds(e)
	switch {
	case d.Purged:
	case d.Before <= Excluded && d.After <= Excluded:
		d.Rule = NotOfFilter
	case from == in && to == in:
		d.Rule, d.Columns = NotShown, l.names(c.Changed)
	case from == missed && to == in:
		d.Rule, d.Columns = NotFound, l.names(c.Changed)
	}
	return d
}

// missed reports whether a row of the filter, and of a page's class in, was not found.
func (l *Live) missed(r *listing.Row) bool {
	var at point
	l.table.locate(&at, r)
	return l.list.missed(r, &at)
}

// stand returns where a row stands to a page.
func (l *Live) stand(r *listing.Row, exists bool) (class, Standing, string) {
	if !exists {
		return out, Absent, ""
	}
	if !l.list.filter.match(r) {
		return out, Excluded, l.outside(r)
	}
	var at point
	l.table.locate(&at, r)
	o := &l.table.orders[l.list.sort]
	passed, ahead := BeforePage, BehindPage
	if o.backward {
		passed, ahead = ahead, passed
	}
	switch k := l.list.class(o, &at); {
	case k == in:
		return in, OnPage, ""
	case k == next:
		return next, NextRow, ""
	case l.list.hasAfter:
		if c, sure := o.compare(o.place(at.at[o.dimension], at.key), l.list.after); sure && c <= 0 {
			return out, passed, ""
		}
	}
	return out, ahead, ""
}

// explainEnvelope explains for a bulk statement.
func (l *Live) explainEnvelope(e *Envelope) Decision {
	t := l.table.table
	if l.list == nil {
		shown := e.Changed & l.table.item
		switch {
		case shown == 0:
			return Decision{Rule: NotShown, Columns: l.names(e.Changed)}
		case !e.mayHold(t.KeyColumn(), l.key):
			return Decision{Rule: OtherRow}
		}
		return Decision{Purged: true, Rule: BulkTouches, Columns: l.names(shown)}
	}
	f := l.list.filter.Filter
	depends := e.Changed & l.list.depends()
	d := Decision{Purged: e.affects(l.list), Rule: BulkTouches, Columns: l.names(depends)}
	if d.Purged {
		return d
	}
	outside := slices.IndexFunc(f, func(c listing.Condition) bool { return !e.meetsOne(t, &c) })
	switch {
	case depends == 0:
		d.Rule, d.Columns = NotShown, l.names(e.Changed)
	case outside >= 0:
		d.Rule = BulkOutside
		if !l.brief {
			d.Outside = f[outside : outside+1].String(t)
		}
	default:
		d.Rule = BulkElsewhere
	}
	return d
}

// String says it in a sentence, without a value of the row.
func (d Decision) String() string {
	columns := listed(d.Columns)
	switch d.Rule {
	case Unreadable:
		return "this build cannot read the query, so every change purges it"
	case AnyChange:
		return "anything in the table may have changed"
	case OtherTable:
		return "it is of another table"
	case OtherRow:
		return "it is the answer of another row"
	case OwnRow:
		switch {
		case d.Before == Absent:
			return "it is the answer of this row, which comes to be"
		case d.After == Absent:
			return "it is the answer of this row, which goes"
		}
		return "it is the answer of this row, and shows " + columns
	case NotShown:
		return "it does not depend on " + columns
	case NotOfFilter:
		return "the row is not among its rows, before or after" + d.conditions()
	case IntoFilter:
		if d.Before == Missed {
			return mayBeFound(columns)
		}
		return "the row comes into what it counts" + because(d.Outside, "before")
	case OutOfFilter:
		return "the row leaves what it counts" + because(d.OutsideAfter, "after")
	case Counted:
		return "it counts the row, and depends on " + columns
	case BulkTouches:
		return "rows of the statement may be among its rows, and it depends on " + columns
	case BulkOutside:
		return "no row of the statement meets " + d.Outside
	case BulkElsewhere:
		return "no row of the statement stands where the page reaches"
	case InnerRow:
		return "it shows such rows inside its own, as " + d.Join + ", and depends on " + columns
	case NotSought:
		return "it shows other rows inside its own, as " + d.Join
	case NotFound:
		return "the row was not among those found, and PostgreSQL does not judge it by " + columns
	}
	return d.ofPage(columns)
}

// ofPage says where a row stood and stands to a page.
func (d Decision) ofPage(columns string) string {
	switch {
	case d.Before == OnPage && d.After == OnPage:
		return "the row is on the page, which depends on " + columns
	case d.Before == Missed && d.After == OnPage:
		return mayBeFound(columns)
	case d.After == OnPage:
		return "the row comes onto the page; before: " + d.Before.String() + because(d.Outside, "")
	case d.Before == OnPage:
		return "the row leaves the page; after: " + d.After.String() + because(d.OutsideAfter, "")
	case d.Purged && d.Before == NextRow && d.After == NextRow:
		return "the row behind the page showed that there is a next one; only PostgreSQL can judge it by " + columns
	case d.Purged:
		return "the row behind the page, which may have shown that there is a next one, goes; after: " + d.After.String() + because(d.OutsideAfter, "")
	case d.Before == d.After:
		return "the row is " + d.Before.String() + ", before and after"
	}
	return "the row does not come onto the page; before: " + d.Before.String() + because(d.Outside, "") +
		"; after: " + d.After.String() + because(d.OutsideAfter, "")
}

// mayBeFound says that a row that was not found may be found now.
func mayBeFound(columns string) string {
	return "the row was not among those found; only PostgreSQL can judge whether it is now, by " + columns
}

// because names a condition that a row did not meet.
func because(condition, when string) string {
	switch {
	case condition == "":
		return ""
	case when == "":
		return " (" + condition + ")"
	}
	return "; " + when + ", it does not meet " + condition
}

// conditions names those that the row does not meet.
func (d Decision) conditions() string {
	met := slices.Compact(slices.DeleteFunc([]string{d.Outside, d.OutsideAfter}, func(s string) bool { return s == "" }))
	if len(met) == 0 {
		return ""
	}
	return ": it does not meet " + strings.Join(met, ", then ")
}

// listed joins names as a sentence does; very many are cut.
func listed(names []string) string {
	const most = 6
	switch n := len(names); {
	case n == 0:
		return "what changed"
	case n > most:
		return strings.Join(names[:most], ", ") + " and others"
	case n > 1:
		return strings.Join(names[:n-1], ", ") + " and " + names[n-1]
	}
	return names[0]
}
