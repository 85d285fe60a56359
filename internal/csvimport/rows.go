package csvimport

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/freshlist/freshlist/internal/description"
	"github.com/freshlist/freshlist/internal/listing"
)

// errFaulty ends the COPY of a file that has faults.
var errFaulty = errors.New("the file has faults")

// rows reads a file as COPY wants it: a line for each row, with its number, its line in the
// file, and the values of the targets. It is an io.Reader.
type rows struct {
	*file
	targets []target
	fields  int // of a line
	faults  *Faults
	told    func(rows, bytes int64)

	count   int64
	pending []byte // what Read has not passed on
	room    []byte // of pending, from its beginning
	ended   error
}

// Read passes on whole lines, as they fit.
func (r *rows) Read(p []byte) (n int, err error) {
	for n < len(p) {
		if len(r.pending) == 0 {
			if r.ended == nil {
				r.ended = r.fill()
			}
			if len(r.pending) == 0 {
				if n > 0 {
					return n, nil
				}
				return 0, r.ended
			}
		}
		taken := copy(p[n:], r.pending)
		n, r.pending = n+taken, r.pending[taken:]
	}
	return n, nil
}

// fill reads some rows. A file with faults is read to its end, so that all are found.
func (r *rows) fill() error {
	const enough = 1 << 15
	b := r.room[:0]
	for len(b) < enough {
		record, err := r.next()
		fault, form := formFault(err)
		switch {
		case errors.Is(err, io.EOF):
			r.told(r.count, r.read.n)
			if r.faults.Count > 0 {
				return errFaulty
			}
			r.room, r.pending = b, b
			return io.EOF
		case form:
			r.faults.add(fault.Line, fault.Column, "%s", fault.Detail)
			continue
		case err != nil:
			return fmt.Errorf("read the file: %w", err)
		}
		if r.count++; r.count%1000 == 0 {
			r.told(r.count, r.read.n)
		}
		if len(record) != r.fields {
			r.faults.add(r.line, 0, "the line has %s, and the header has %d", count(int64(len(record)), "field"), r.fields)
			continue
		}
		b = r.append(b, record)
		if r.faults.Count > 0 {
			b = b[:0]
		}
	}
	r.room, r.pending = b, b
	return nil
}

// append appends a row.
func (r *rows) append(b []byte, record []string) []byte {
	b = strconv.AppendInt(b, r.count, 10)
	b = append(b, '\t')
	b = strconv.AppendInt(b, r.line, 10)
	for i := range r.targets {
		t := &r.targets[i]
		b = append(b, '\t')
		text := record[t.field]
		if !utf8.ValidString(text) || strings.IndexByte(text, 0) >= 0 {
			r.fault(t, "is not text in UTF-8; save the file in UTF-8")
			continue
		}
		if t.meaning != nil {
			if meant, known := t.meaning[description.FoldName(text)]; known {
				text = meant
			}
		}
		if t.empty(text) {
			if t.notNull && t.standard == "" {
				r.fault(t, "is empty, and every row of the table needs one")
			}
			b = append(b, `\N`...)
			continue
		}
		v, must := t.ReadField(text)
		if must != "" {
			r.fault(t, "%s must be %s", shown(record[t.field]), must)
			continue
		}
		b = appendCopied(b, t.Column, v)
	}
	return append(b, '\n')
}

// empty reports whether a field has no value. Blanks are a text, unless it must say something.
func (t *target) empty(text string) bool {
	return text == "" || (t.Form != listing.Words || t.MustSay()) && strings.TrimSpace(text) == ""
}

func (r *rows) fault(t *target, format string, args ...any) {
	line, column := r.position(t.field)
	r.faults.add(line, column, "%s %s", t.header, fmt.Sprintf(format, args...))
}

// appendCopied appends a value as COPY reads it.
func appendCopied(b []byte, c *listing.Column, v listing.Value) []byte {
	if c.Form == listing.JSON {
		return appendEscaped(b, v.Text)
	}
	if c.Form.InNumber() && c.Form != listing.Label {
		return c.AppendSpelled(b, v)
	}
	if c.Form == listing.Label {
		return appendEscaped(b, c.Label(v))
	}
	return appendEscaped(b, v.Text)
}

func appendEscaped(b []byte, text string) []byte {
	for i := range len(text) {
		switch text[i] {
		case '\\':
			b = append(b, '\\', '\\')
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		case '\t':
			b = append(b, '\\', 't')
		default:
			b = append(b, text[i])
		}
	}
	return b
}
