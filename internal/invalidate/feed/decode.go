package feed

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/freshlist/freshlist/internal/invalidate/match"
	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/pgvalue"
)

// captured is one row of a table of changes, as a drain reads it.
type captured struct {
	xid           uint64
	before, after []byte  // the composite old_row and new_row; nil for NULL
	changed       *int64  // a bit for each column that differs and is not in the composites
	sets          *string // the composite sets as JSON
}

// Unread is a captured change that could not be understood. Anything may have changed,
// so it is taken for a change of the whole table: to stop at it would mean to stop
// at it for ever.
type Unread struct {
	Xid uint64 // the transaction
	Why error  // says nothing of the values
}

// Error says why the change could not be understood.
func (u *Unread) Error() string { return fmt.Sprintf("change of transaction %d: %v", u.Xid, u.Why) }

// Unwrap returns why.
func (u *Unread) Unwrap() error { return u.Why }

// errRecord tells that a row is not what this program's capture writes.
var errRecord = errors.New("not a record of the expected shape")

// appendAnyChange appends what one row of the table of changes says, whatever it says.
func (t *table) appendAnyChange(changes []match.Change, c *captured) []match.Change {
	known := len(changes)
	more, err := t.appendChange(changes, c)
	if err != nil {
		more = t.appendUnread(changes, &Unread{Xid: c.xid, Why: err})
	}
	for i := known; i < len(more); i++ {
		more[i].Xid = c.xid
	}
	return more
}

// appendUnread appends a change of the whole table. One is enough for a transaction's
// rows, which come together.
func (t *table) appendUnread(changes []match.Change, u *Unread) []match.Change {
	if n := len(changes); n > 0 {
		if last, ok := changes[n-1].Unread.(*Unread); ok && last.Xid == u.Xid && changes[n-1].Table == t.Table {
			return changes
		}
	}
	return append(changes, match.Change{Table: t.Table, Kind: match.WholeTable, Unread: u})
}

// appendChange appends what one row of the table of changes says: an envelope if it has
// sets, a change of anything if it has nothing, else a row before and after. An UPDATE
// of the key is a row that went and a row that came.
func (t *table) appendChange(changes []match.Change, c *captured) ([]match.Change, error) {
	was, err := t.image(c.before)
	if err != nil {
		return nil, fmt.Errorf("old row: %w", err)
	}
	is, err := t.image(c.after)
	if err != nil {
		return nil, fmt.Errorf("new row: %w", err)
	}
	if c.sets != nil {
		envelope, err := t.envelope(was, is, *c.sets)
		if err != nil {
			return nil, err
		}
		return append(changes, match.Change{Table: t.Table, Kind: match.BulkChange, Bulk: envelope}), nil
	}
	if was == nil && is == nil {
		return append(changes, match.Change{Table: t.Table, Kind: match.WholeTable}), nil
	}
	change := match.Change{Table: t.Table, Changed: t.AllColumns()}
	if was != nil {
		if change.Old, err = t.row(was); err != nil {
			return nil, fmt.Errorf("old row: %w", err)
		}
		change.HasOld = true
	}
	if is != nil {
		if change.New, err = t.row(is); err != nil {
			return nil, fmt.Errorf("new row: %w", err)
		}
		change.HasNew = true
	}
	switch {
	case was == nil || is == nil:
	case change.Old.Values[t.Key] != change.New.Values[t.Key]:
		come := change
		change.New, change.HasNew = listing.Row{}, false
		come.Old, come.HasOld = listing.Row{}, false
		return append(changes, change, come), nil
	default:
		change.Changed = t.differences(was, is)
		if c.changed != nil {
			change.Changed |= listing.Columns(*c.changed) & t.AllColumns()
		}
	}
	return append(changes, change), nil
}

// image returns the values of a captured row, in the order of the table's image: those of a
// composite in PostgreSQL's binary form, each of which has its type, its length (-1 for NULL)
// and its bytes. It returns nil for no row. A value is nil for NULL.
func (t *table) image(record []byte) (values [][]byte, err error) {
	if record == nil {
		return nil, nil
	}
	if len(record) < 4 || int(binary.BigEndian.Uint32(record)) != len(t.columns) {
		return nil, errRecord
	}
	values = make([][]byte, len(t.columns))
	rest := record[4:]
	for i := range values {
		if len(rest) < 8 {
			return nil, errRecord
		}
		size := int(int32(binary.BigEndian.Uint32(rest[4:])))
		rest = rest[8:]
		if size < 0 {
			continue
		}
		if size > len(rest) {
			return nil, errRecord
		}
		values[i], rest = rest[:size:size], rest[size:]
	}
	if len(rest) > 0 {
		return nil, errRecord
	}
	return values, nil
}

// differences returns the columns in which two images of one row differ. What PostgreSQL
// sends is compared byte for byte: 0 and -0 are shown differently, and of an array Row keeps
// only what filters ask for.
func (t *table) differences(was, is [][]byte) (s listing.Columns) {
	for i, c := range t.columns {
		if (was[i] == nil) != (is[i] == nil) || !bytes.Equal(was[i], is[i]) {
			s |= listing.ColumnSet(c)
		}
	}
	return s
}

// row decodes an image. Of a row that has no key nobody could say whose it is.
func (t *table) row(values [][]byte) (listing.Row, error) {
	r, err := t.values(values)
	if err == nil && r.Null(t.Key) {
		err = fmt.Errorf("%s is NULL", t.KeyColumn().Name)
	}
	return r, err
}

func (t *table) values(values [][]byte) (listing.Row, error) {
	r := t.NewRow()
	for i, c := range t.columns {
		if values[i] == nil {
			r.Nulls |= listing.ColumnSet(c)
			continue
		}
		column, decode := &t.Columns[c], pgvalue.DecodeCaptured
		if column.Element != nil {
			decode = pgvalue.DecodeArray
		}
		var err error
		if r.Values[c], err = decode(column, values[i]); err != nil {
			return listing.Row{}, fmt.Errorf("%s: %w", column.Name, err)
		}
	}
	return r, nil
}

// envelope returns the envelope of a bulk statement from the least and the greatest
// values and the texts that occur. It does not tell which columns changed, so any of
// them may have.
func (t *table) envelope(least, greatest [][]byte, text string) (*match.Envelope, error) {
	if least == nil || greatest == nil {
		return nil, errRecord
	}
	e := match.Envelope{Changed: t.AllColumns(), Bounded: t.bounded, Sets: map[int][]listing.Value{}}
	var err error
	if e.Least, err = t.values(least); err != nil {
		return nil, fmt.Errorf("least values: %w", err)
	}
	if e.Greatest, err = t.values(greatest); err != nil {
		return nil, fmt.Errorf("greatest values: %w", err)
	}
	var sets map[string]json.RawMessage
	if err := json.Unmarshal([]byte(text), &sets); err != nil {
		return nil, fmt.Errorf("sets: %w", errRecord) // that error would say what it met
	}
	if err := json.Unmarshal(sets[listing.NullColumns], &e.Nulls); err != nil {
		return nil, fmt.Errorf("sets: %q: %w", listing.NullColumns, errRecord)
	}
	delete(sets, listing.NullColumns)
	for name, texts := range sets {
		c := t.Column(name)
		if c < 0 {
			return nil, fmt.Errorf("sets: %q: %w", name, errRecord)
		}
		if e.Sets[c], err = setOf(&t.Columns[c], texts); err != nil {
			return nil, fmt.Errorf("sets: %q: %w", name, err)
		}
	}
	return &e, nil
}

// setOf reads the texts of the values that occur in a column; nil for too many to say.
func setOf(c *listing.Column, texts json.RawMessage) (values []listing.Value, err error) {
	var spelled []string
	if err := json.Unmarshal(texts, &spelled); err != nil {
		return nil, errRecord
	}
	if spelled == nil {
		return nil, nil
	}
	values = make([]listing.Value, len(spelled))
	for i, s := range spelled {
		switch c.Form {
		case listing.Words, listing.UUID:
			values[i].Text = s
		case listing.Truth:
			t, err := strconv.ParseBool(s)
			if err != nil {
				return nil, errRecord
			}
			if t {
				values[i].Number = 1
			}
		default:
			return nil, errRecord
		}
	}
	return values, nil
}
