package listing

import (
	"fmt"
	"strconv"
	"strings"
)

// Window returns how far the page reaches. It is wide unless a row follows the
// page: see Window.
func (qs *Queryset) Window() Window {
	if qs.Query.Kind != PageKind || !qs.Ahead.Valid || len(qs.Items) == 0 {
		return Window{}
	}
	last := &qs.Items[len(qs.Items)-1].Row
	return Window{Bounded: true, Last: qs.Query.Sort.Key(last), Ahead: qs.Ahead.V}
}

// windowNull spells a NULL value in a window's text.
const windowNull = "~"

// String returns the window as it stands in Redis: "" if it is wide, else the
// values and ids of its two keys, "35000000/17/35100000/9".
func (w Window) String() string {
	if !w.Bounded {
		return ""
	}
	b := appendWindowKey(make([]byte, 0, 64), w.Last)
	b = append(b, '/')
	return string(appendWindowKey(b, w.Ahead))
}

func appendWindowKey(dst []byte, k Key) []byte {
	if k.Value.Valid {
		dst = strconv.AppendInt(dst, k.Value.V, 10)
	} else {
		dst = append(dst, windowNull...)
	}
	dst = append(dst, '/')
	return strconv.AppendInt(dst, k.ID, 10)
}

// ParseWindow is the inverse of String and accepts only what String returns.
func ParseWindow(text string) (Window, error) {
	if text == "" {
		return Window{}, nil
	}
	w := Window{Bounded: true}
	rest, ok := parseWindowKey(text, &w.Last)
	if ok {
		rest, ok = parseWindowKey(rest, &w.Ahead)
	}
	if !ok || rest != "" || w.String() != text {
		return Window{}, fmt.Errorf("parse window %q: want two keys or nothing", text)
	}
	return w, nil
}

// parseWindowKey reads one key and returns what follows it.
func parseWindowKey(text string, k *Key) (rest string, ok bool) {
	value, text, _ := strings.Cut(text, "/")
	id, rest, _ := strings.Cut(text, "/")
	var err error
	if value != windowNull {
		k.Value.Valid = true
		if k.Value.V, err = strconv.ParseInt(value, 10, 64); err != nil {
			return "", false
		}
	}
	k.ID, err = strconv.ParseInt(id, 10, 64)
	return rest, err == nil
}
