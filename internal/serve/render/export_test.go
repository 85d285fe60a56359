package render

import (
	"io/fs"

	"github.com/freshlist/freshlist/internal/listing"
)

// Sample is a sample as the tests see it.
type Sample struct {
	Name     string
	Queryset listing.Queryset
}

// Samples are the querysets that BuildTag looks at the rendering of.
func Samples() []Sample {
	var all []Sample
	for _, s := range samples() {
		all = append(all, Sample{s.name, s.queryset})
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
