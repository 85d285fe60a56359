package listing

import (
	"fmt"
	"strconv"
	"strings"
)

// Window returns how far the page reaches. It is wide unless a row follows the page: see
// Window.
func (qs *Queryset) Window() Window {
	q := &qs.Query
	if q.Kind != PageKind || !qs.Ahead.Valid || len(qs.Items) == 0 || q.Order().Wide {
		return Window{}
	}
	t := q.Table
	last := t.KeyOf(q.Sort, &qs.Items[len(qs.Items)-1])
	return Window{Bounded: true, Last: t.PlaceOf(q.Sort, last), Ahead: t.PlaceOf(q.Sort, qs.Ahead.V)}
}

// windowNull spells a NULL value in a window's text.
const windowNull = "~"

// String returns the window as it stands in Redis: "" if it is wide, else the numbers of its
// two places, "35000000/17/35100000/9".
func (w Window) String() string {
	if !w.Bounded {
		return ""
	}
	b := appendPlace(make([]byte, 0, 64), w.Last)
	b = append(b, '/')
	return string(appendPlace(b, w.Ahead))
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

// ParseWindow is the inverse of String and accepts only what String returns.
func ParseWindow(text string) (Window, error) {
	if text == "" {
		return Window{}, nil
	}
	w := Window{Bounded: true}
	rest, ok := cutPlace(text, &w.Last)
	if ok {
		rest, ok = cutPlace(rest, &w.Ahead)
	}
	if !ok || rest != "" || w.String() != text {
		return Window{}, fmt.Errorf("parse window %q: want two places or nothing", text)
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
