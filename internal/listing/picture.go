package listing

import (
	"net/url"
	"strings"

	"github.com/freshlist/freshlist/internal/description"
)

// Picture reports whether the column holds pictures, in SVG. One has an address of its own, which is
// what answers show. The rows of lists and inner rows have an empty text for a picture, and
// NULL for none; only the answer to a row's own query has the picture.
func (c *Column) Picture() bool { return c.Show == description.ShowSVG }

// PictureColumn returns the column that holds pictures, nil if there is none. A row's own page shows it.
func (t *Table) PictureColumn() *Column {
	for _, n := range t.Item {
		if c := &t.Columns[n]; c.Picture() {
			return c
		}
	}
	return nil
}

// PictureFile is the last part of the address of the pictures in a column.
func (c *Column) PictureFile() string { return c.Member + ".svg" }

// CutPicture cuts what leads to a row's picture off a path below the table's own, as it stands in a URL:
// key is what stands before it, with its escapes. ok is false if the path does not lead to a picture.
func (t *Table) CutPicture(path string) (key string, ok bool) {
	c := t.PictureColumn()
	key, file, found := strings.Cut(path, "/")
	if c == nil || !found {
		return "", false
	}
	name, err := url.PathUnescape(file)
	return key, err == nil && name == c.PictureFile()
}
