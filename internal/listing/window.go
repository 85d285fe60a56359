package listing

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Window returns what the answer covers: how far a page reaches, the keys of its rows, and those
// that were looked for in other tables. See Window.
func (qs *Queryset) Window() Window {
	w := Window{Covers: qs.covers(), Shown: qs.shown()}
	q := &qs.Query
	if q.Kind != PageKind || !qs.Ahead.Valid || len(qs.Items) == 0 || q.Order().Wide {
		return w
	}
	t := q.Table
	farthest := len(qs.Items) - 1 // from where the page begins
	if q.Backward {
		farthest = 0
	}
	last := t.KeyOf(q.Sort, &qs.Items[farthest])
	w.Bounded, w.Last, w.Ahead = true, t.PlaceOf(q.Sort, last), t.PlaceOf(q.Sort, qs.Ahead.V)
	return w
}

// shown returns the keys of the answer's rows: of a page, and of a summary that no row is of. Nobody
// needs them without a condition that only PostgreSQL can judge, or for an order that only it knows.
func (qs *Queryset) shown() Null[[]Value] {
	q := &qs.Query
	t := q.Table
	switch {
	case q.Filter.WideColumns(t) == 0,
		q.Kind == SummaryKind && qs.Summary.Count > 0,
		q.Kind == PageKind && q.Order().Wide:
		return Null[[]Value]{}
	}
	var keys []Value
	for i := range qs.Items {
		keys = append(keys, qs.Items[i].Values[t.Key])
	}
	keys, fits := sortKeys(keys)
	return Null[[]Value]{V: keys, Valid: fits}
}

// sortKeys returns distinct keys in order, and whether they are few enough to be kept; if not,
// none.
func sortKeys(keys []Value) (distinct []Value, fits bool) {
	slices.SortFunc(keys, compareValues)
	if distinct = slices.Compact(keys); len(appendKeys(nil, distinct)) > maxKeys {
		return nil, false
	}
	return distinct, true
}

// windowNull spells a NULL value in a window's text.
const windowNull = "~"

// The keys of the answer's rows stand behind shownMark, and each cover behind a coverMark. A cover
// is wideCover or keys. Each key stands behind a keyMark: a number in digits, or a text, escaped,
// behind a textMark.
const (
	shownMark = ';'
	coverMark = '|'
	keyMark   = ','
	textMark  = '\''
	wideCover = "*"
)

// maxKeys is how long the text of a list of keys may be: a hundred of 80 bytes. Keys whose text
// would be longer are not kept: a cover is wide then.
const maxKeys = 8192

// String returns the window as it stands in Redis. First the numbers of its two places, if it is
// bounded, then the keys of its rows, if they are known, then a text for each cover:
// "35000000/17/35100000/9;,12,17|,4,17|*". It is "" if it is wide in all.
func (w Window) String() string {
	if !w.Bounded && !w.Shown.Valid && !w.covered() {
		return ""
	}
	b := make([]byte, 0, 64)
	if w.Bounded {
		b = appendPlace(b, w.Last)
		b = append(b, '/')
		b = appendPlace(b, w.Ahead)
	}
	if w.Shown.Valid {
		b = appendKeys(append(b, shownMark), w.Shown.V)
	}
	if w.covered() {
		for i := range w.Covers {
			b = w.Covers[i].appendText(b)
		}
	}
	return string(b)
}

// covered reports whether any of the covers is not wide.
func (w *Window) covered() bool {
	for i := range w.Covers {
		if w.Covers[i].Bounded {
			return true
		}
	}
	return false
}

func appendPlace(dst []byte, p Place) []byte {
	if p.Value.Valid {
		dst = strconv.AppendInt(dst, p.Value.V, 10)
	} else {
		dst = append(dst, windowNull...)
	}
	dst = append(dst, '/')
	return strconv.AppendInt(dst, p.Key, 10)
}

func (c *Cover) appendText(dst []byte) []byte {
	dst = append(dst, coverMark)
	if !c.Bounded {
		return append(dst, wideCover...)
	}
	return appendKeys(dst, c.Keys)
}

func appendKeys(dst []byte, keys []Value) []byte {
	for i := range keys {
		dst = appendKey(append(dst, keyMark), &keys[i])
	}
	return dst
}

// appendKey appends a key. A number has no text, and a text no number; an empty text is
// told from a zero by its form: see Value.
func appendKey(dst []byte, key *Value) []byte {
	if key.Text == "" {
		return strconv.AppendInt(dst, key.Number, 10)
	}
	return append(append(dst, textMark), url.QueryEscape(key.Text)...)
}

// ParseWindow is the inverse of String and accepts only what String returns.
func ParseWindow(text string) (Window, error) {
	var w Window
	page, covers, covered := strings.Cut(text, string(coverMark))
	places, keys, shown := strings.Cut(page, string(shownMark))
	ok := true
	if places != "" {
		w.Bounded = true
		var rest string
		if rest, ok = cutPlace(places, &w.Last); ok {
			rest, ok = cutPlace(rest, &w.Ahead)
		}
		ok = ok && rest == ""
	}
	if shown && ok {
		w.Shown.Valid = true
		w.Shown.V, ok = parseKeys(keys)
	}
	if covered && ok {
		w.Covers, ok = parseCovers(covers)
	}
	if !ok || w.String() != text {
		return Window{}, fmt.Errorf("parse window %.200q: want two places or none, keys and covers", text)
	}
	return w, nil
}

// cutPlace reads one place and returns what follows it.
func cutPlace(text string, p *Place) (rest string, ok bool) {
	value, text, _ := strings.Cut(text, "/")
	key, rest, _ := strings.Cut(text, "/")
	var err error
	if value != windowNull {
		p.Value.Valid = true
		if p.Value.V, err = strconv.ParseInt(value, 10, 64); err != nil {
			return "", false
		}
	}
	p.Key, err = strconv.ParseInt(key, 10, 64)
	return rest, err == nil
}

// parseCovers reads what stands behind the first mark of a cover.
func parseCovers(text string) (covers []Cover, ok bool) {
	for text := range strings.SplitSeq(text, string(coverMark)) {
		var c Cover
		if text != wideCover {
			c.Bounded = true
			if c.Keys, ok = parseKeys(text); !ok {
				return nil, false
			}
		}
		covers = append(covers, c)
	}
	return covers, true
}

// parseKeys reads distinct keys, in order.
func parseKeys(text string) (keys []Value, ok bool) {
	if text == "" {
		return nil, true
	}
	text, ok = strings.CutPrefix(text, string(keyMark))
	if !ok {
		return nil, false
	}
	keys = make([]Value, 0, 1+strings.Count(text, string(keyMark)))
	for text := range strings.SplitSeq(text, string(keyMark)) {
		key, ok := parseKey(text)
		if !ok || len(keys) > 0 && compareValues(keys[len(keys)-1], key) >= 0 {
			return nil, false
		}
		keys = append(keys, key)
	}
	return keys, true
}

func parseKey(text string) (key Value, ok bool) {
	var err error
	if escaped, isText := strings.CutPrefix(text, string(textMark)); isText {
		key.Text, err = url.QueryUnescape(escaped)
	} else {
		key.Number, err = strconv.ParseInt(text, 10, 64)
	}
	return key, err == nil
}
