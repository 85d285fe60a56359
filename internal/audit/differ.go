package audit

import (
	"bytes"
	"fmt"

	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/rediscache"
	"github.com/freshlist/freshlist/internal/serve/readthrough"
	"github.com/freshlist/freshlist/internal/serve/render"
)

// differs returns where a value first differs from what this build would store of
// a queryset, "" if nowhere.
func differs(v rediscache.Value, qs *listing.Queryset) string {
	for _, format := range render.Formats {
		if v.Name == format.String() {
			return viewDiffers(v, format, *qs)
		}
	}
	return rowsDiffer(v.Queryset(), qs)
}

func viewDiffers(v rediscache.Value, format render.Format, qs listing.Queryset) string {
	view, err := v.View()
	if err != nil {
		return "the value is damaged"
	}
	status, body := render.Body(format, qs)
	if view.Status != status {
		return fmt.Sprintf("status %d is cached, %d is right", view.Status, status)
	}
	if d := firstDifference([]byte(view.Body), body); d != "" {
		return d
	}
	if tag := readthrough.ETag(body); view.ETag != tag {
		return fmt.Sprintf("entity tag %q is cached, %q is right", view.ETag, tag)
	}
	if view.Gzip == "" {
		return ""
	}
	plain, err := view.Plain()
	if err != nil {
		return "the compressed body is damaged: " + err.Error()
	}
	if d := firstDifference(plain, body); d != "" {
		return "compressed body: " + d
	}
	return ""
}

// rowsDiffer compares encoded rows with a queryset. Which row comes behind a page may
// differ, as long as one does: the page does not show it, and a change of it purges
// nothing.
func rowsDiffer(cached []byte, qs *listing.Queryset) string {
	decoded, err := listing.DecodeQueryset(qs.Query, cached)
	if err != nil {
		return "the value is damaged: " + err.Error()
	}
	right := *qs
	if decoded.Ahead.Valid && right.Ahead.Valid {
		right.Ahead = decoded.Ahead
	}
	if bytes.Equal(cached, right.Encode()) {
		return ""
	}
	_, was := render.Body(render.JSON, decoded)
	_, is := render.Body(render.JSON, right)
	if d := firstDifference(was, is); d != "" {
		return d
	}
	return "the rows differ in what JSON does not show"
}

// How much is shown around the first difference.
const (
	shownBefore = 24
	shownAfter  = 40
)

// firstDifference shows two texts around where they part, "" if they are equal.
func firstDifference(cached, right []byte) string {
	if bytes.Equal(cached, right) {
		return ""
	}
	at := 0
	for at < min(len(cached), len(right)) && cached[at] == right[at] {
		at++
	}
	return fmt.Sprintf("byte %d: %q is cached, %q is right", at, excerpt(cached, at), excerpt(right, at))
}

func excerpt(text []byte, at int) []byte {
	return text[max(0, at-shownBefore):min(len(text), at+shownAfter)]
}
