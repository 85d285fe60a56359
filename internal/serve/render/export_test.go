package render

import (
	"io/fs"

	"github.com/freshlist/freshlist/internal/listing"
)

// Specimen is a specimen as the tests see it.
type Specimen struct {
	Name     string
	Queryset listing.Queryset
}

// Specimens are the querysets that BuildTag looks at the rendering of.
func Specimens() []Specimen {
	var all []Specimen
	for _, s := range specimens() {
		all = append(all, Specimen{s.name, s.queryset})
	}
	return all
}

// TagOf is BuildTag with other files.
func TagOf(files ...fs.FS) string { return tagOf(files...) }

// The wording of pages.
var (
	PlaceName     = placeName
	TypeName      = typeName
	StatusName    = statusName
	Dollars       = dollars
	ParameterName = parameterName
	AssetURL      = assetURL
)
