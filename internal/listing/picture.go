package listing

import "github.com/freshlist/freshlist/internal/description"

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
