package render

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/freshlist/freshlist/internal/description"
	"github.com/freshlist/freshlist/internal/listing"
)

// Excerpt is what a client wants otherwise than Body renders a page or a row as JSON.
type Excerpt struct {
	Fields listing.Fields // the members that rows keep; nil: all
	Count  *int64         // of a page: what its member count says; nil: it has none
}

// Query returns the parameters of an address that ask for it, "" for nothing.
func (e Excerpt) Query() string {
	parts := make([]string, 0, 2)
	if fields := e.Fields.Query(); fields != "" {
		parts = append(parts, fields)
	}
	if e.Count != nil {
		parts = append(parts, description.ParamCount+"=true")
	}
	return strings.Join(parts, "&")
}

// Address adds the parameters to an address.
func (e Excerpt) Address(address string) string {
	query := e.Query()
	switch {
	case address == "" || query == "":
		return address
	case strings.Contains(address, "?"):
		return address + "&" + query
	}
	return address + "?" + query
}

// OfPage returns what is wanted of a page that Body has rendered. It leads to further pages of the
// same kind.
func (e Excerpt) OfPage(body string) ([]byte, error) {
	var page struct {
		Items []json.RawMessage
		Next  string
		Prev  string
	}
	if err := json.Unmarshal([]byte(body), &page); err != nil {
		return nil, fmt.Errorf("read a rendered page: %w", err)
	}
	b := append(make([]byte, 0, len(body)), `{"items":[`...)
	for i, item := range page.Items {
		if i > 0 {
			b = append(b, ',')
		}
		var err error
		if b, err = e.appendRow(b, item); err != nil {
			return nil, err
		}
	}
	b = append(b, nextMember...)
	b = appendAddress(b, e.Address(page.Next))
	b = appendAddress(append(b, prevMember...), e.Address(page.Prev))
	if e.Count != nil {
		b = appendInt(append(b, `,"count":`...), *e.Count)
	}
	return append(b, "}\n"...), nil
}

// OfRow returns what is wanted of a row that Body has rendered.
func (e Excerpt) OfRow(body string) ([]byte, error) {
	b, err := e.appendRow(make([]byte, 0, len(body)), []byte(strings.TrimSuffix(body, "\n")))
	return append(b, '\n'), err
}

// appendRow appends a row with the members that are wanted, as they were rendered.
func (e Excerpt) appendRow(b []byte, row json.RawMessage) ([]byte, error) {
	if e.Fields == nil {
		return append(b, row...), nil
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(row, &members); err != nil {
		return nil, fmt.Errorf("read a rendered row: %w", err)
	}
	for i, name := range e.Fields {
		b = append(b, "{,"[min(i, 1)])
		b = append(appendString(b, name), ':')
		b = append(b, members[name]...)
	}
	return append(b, '}'), nil
}

// CountOf returns the count of a summary that Body has rendered.
func CountOf(body string) (int64, error) {
	digits, _, _ := strings.Cut(strings.TrimPrefix(body, countMember), ",")
	n, err := strconv.ParseInt(strings.TrimRight(digits, "}\n"), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("read a rendered summary: %w", err)
	}
	return n, nil
}

// Links returns the addresses of the next and of the previous page in a page that Body or an Excerpt
// has rendered, "" for none. They stand behind the rows, whose own members may be called so too: inside
// of a text the marks would have backslashes. No address has a character that JSON escapes.
func Links(body string) (next, prev string) {
	_, rest, _ := strings.Cut(body[max(0, strings.LastIndex(body, nextMember)):], nextMember)
	next, rest = cutAddress(rest)
	if rest, more := strings.CutPrefix(rest, prevMember); more {
		prev, _ = cutAddress(rest)
	}
	return next, prev
}

// cutAddress reads what appendAddress has written, and returns what follows it.
func cutAddress(text string) (address, rest string) {
	if quoted, ok := strings.CutPrefix(text, `"`); ok {
		address, rest, _ = strings.Cut(quoted, `"`)
		return address, rest
	}
	return "", strings.TrimPrefix(text, "null")
}
