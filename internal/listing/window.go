package listing

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
)

// Window returns what the answer covers: how far a page reaches, and the keys that were looked
// for in other tables. See Window.
func (qs *Queryset) Window() Window {
	w := Window{Covers: qs.covers()}
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

// windowNull spells a NULL value in a window's text.
const windowNull = "~"

// The text of a cover begins with coverMark. It is wideCover, or each of its keys behind a
// keyMark: a number in digits, or a text, escaped, behind a textMark.
const (
	coverMark = '|'
	keyMark   = ','
	textMark  = '\''
	wideCover = "*"
)

// maxCover is how long the text of a cover may be: a hundred keys of 80 bytes. One that would be
// longer is wide.
const maxCover = 8192

// String returns the window as it stands in Redis. First the numbers of its two places, if it is
// bounded, then a text for each cover: "35000000/17/35100000/9|,4,17|*". It is "" if it is wide
// in all.
func (w Window) String() string {
	if !w.Bounded && !w.covered() {
		return ""
	}
	b := make([]byte, 0, 64)
	if w.Bounded {
		b = appendPlace(b, w.Last)
		b = append(b, '/')
		b = appendPlace(b, w.Ahead)
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
	for i := range c.Keys {
		dst = appendCoverKey(append(dst, keyMark), &c.Keys[i])
	}
	return dst
}

// appendCoverKey appends a key. A number has no text, and a text no number; an empty text is
// told from a zero by its form: see Value.
func appendCoverKey(dst []byte, key *Value) []byte {
	if key.Text == "" {
		return strconv.AppendInt(dst, key.Number, 10)
	}
	return append(append(dst, textMark), url.QueryEscape(key.Text)...)
}

// ParseWindow is the inverse of String and accepts only what String returns.
func ParseWindow(text string) (Window, error) {
	var w Window
	places, covers, covered := strings.Cut(text, string(coverMark))
	ok := true
	if places != "" {
		w.Bounded = true
		var rest string
		if rest, ok = cutPlace(places, &w.Last); ok {
			rest, ok = cutPlace(rest, &w.Ahead)
		}
		ok = ok && rest == ""
	}
	if covered && ok {
		w.Covers, ok = parseCovers(covers)
	}
	if !ok || w.String() != text {
		return Window{}, fmt.Errorf("parse window %.200q: want two places or none, and covers", text)
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
			if c.Bounded, ok = true, true; text != "" {
				c.Keys, ok = parseCoverKeys(text)
			}
			if !ok {
				return nil, false
			}
		}
		covers = append(covers, c)
	}
	return covers, true
}

func parseCoverKeys(text string) (keys []Value, ok bool) {
	text, ok = strings.CutPrefix(text, string(keyMark))
	if !ok {
		return nil, false
	}
	keys = make([]Value, 0, 1+strings.Count(text, string(keyMark)))
	for text := range strings.SplitSeq(text, string(keyMark)) {
		key, ok := parseCoverKey(text)
		if !ok || len(keys) > 0 && compareValues(keys[len(keys)-1], key) >= 0 {
			return nil, false
		}
		keys = append(keys, key)
	}
	return keys, true
}

func parseCoverKey(text string) (key Value, ok bool) {
	var err error
	if escaped, isText := strings.CutPrefix(text, string(textMark)); isText {
		key.Text, err = url.QueryUnescape(escaped)
	} else {
		key.Number, err = strconv.ParseInt(text, 10, 64)
	}
	return key, err == nil
}
