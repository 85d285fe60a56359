package serve

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/freshlist/freshlist/internal/description"
	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/serve/database"
	"github.com/freshlist/freshlist/internal/serve/render"
)

// draft is a JSON object on its way to become fields of a row. It holds the rules of the
// table, as far as the description knows them, that PostgreSQL would tell one at a time.
type draft struct {
	table   *listing.Table
	members map[string]json.RawMessage // those not yet read
	whole   bool                       // members without a default must be there
	fields  database.Fields
	faults  listing.Faults
}

// parseDraft reads a row to create (whole), or a merge patch of RFC 7396:
// a member that is null takes its column's value away.
func parseDraft(t *listing.Table, body []byte, whole bool) (database.Fields, error) {
	members, err := readMembers(body)
	if err != nil {
		return database.Fields{}, &problem{
			status: http.StatusBadRequest,
			detail: "The body must be one JSON object, in UTF-8.",
			cause:  err,
		}
	}
	d := draft{table: t, whole: whole, members: members.values, fields: database.Fields{Values: t.NewRow()}}
	for _, name := range members.twice {
		d.fault(printable(name), "is there twice")
		delete(d.members, name)
	}
	writable := render.Writable(t, whole)
	for _, n := range writable {
		if c := &t.Columns[n]; !slices.Contains(members.twice, c.Member) {
			d.column(c)
		}
	}
	d.unknown(writable)
	if len(d.faults) > 0 {
		return database.Fields{}, brokenRule(t, d.faults, nil)
	}
	return d.fields, nil
}

// column reads the member of a column.
func (d *draft) column(c *listing.Column) {
	raw, given := d.members[c.Member]
	delete(d.members, c.Member)
	switch {
	case !given && d.whole && c.NotNull && !c.Default:
		d.fault(c.Member, "is missing")
	case !given:
	case isNull(raw) && c.NotNull:
		d.fault(c.Member, "must not be null")
	case isNull(raw):
		d.set(c, listing.Null[listing.Value]{})
	case hasLoneSurrogate(raw):
		d.fault(c.Member, `must be text: half of a surrogate pair, such as \ud800, is no character`)
	default:
		v, must := c.ReadJSON(raw)
		switch {
		case must != "":
			d.fault(c.Member, "must be "+must)
		case c.MustSay() && strings.TrimSpace(v.Text) == "":
			d.fault(c.Member, "must not be empty")
		default:
			d.set(c, listing.Some(v))
		}
	}
}

func (d *draft) set(c *listing.Column, v listing.Null[listing.Value]) {
	d.fields.Columns |= listing.ColumnSet(c.Number)
	d.fields.Values.Set(c.Number, v)
}

// unknown refuses what is left.
func (d *draft) unknown(writable []int) {
	names := make([]string, len(writable))
	for i, n := range writable {
		names[i] = d.table.Columns[n].Member
	}
	for _, name := range slices.Sorted(maps.Keys(d.members)) {
		near := description.Nearest(name, names)
		switch {
		case d.shown(name):
			d.fault(name, "is not for clients to write")
		case near != "":
			d.fault(name, "is no member of "+aRow(d.table)+"; did you mean "+near+"?")
		default:
			d.fault(name, "is no member of "+aRow(d.table))
		}
	}
}

// shown reports whether a row has a member of a name.
func (d *draft) shown(name string) bool {
	return slices.ContainsFunc(d.table.Item, func(n int) bool { return d.table.Columns[n].Member == name }) ||
		slices.ContainsFunc(d.table.Joins, func(j listing.Join) bool { return j.Name == name })
}

func (d *draft) fault(name, detail string) {
	d.faults = append(d.faults, listing.Fault{Name: name, Detail: detail})
}

func isNull(raw json.RawMessage) bool { return bytes.Equal(raw, []byte("null")) }
