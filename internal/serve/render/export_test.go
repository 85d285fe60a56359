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

// Samples returns the samples of a site; those of SampleSite are what BuildTag hashes.
func Samples(s *listing.Site) []Sample {
	var all []Sample
	for _, s := range samples(s) {
		all = append(all, Sample{s.name, s.queryset})
	}
	return all
}

// SampleSite is the site whose samples BuildTag hashes.
func SampleSite() *listing.Site { return sampleSite() }

// TagOf is BuildTag with other files.
func TagOf(files ...fs.FS) string { return tagOf(files...) }

// The wording of pages.
var (
	Name           = listing.Name
	Words          = listing.PlainWords
	Money          = newLocale("en-US").money
	Grouped        = newLocale("en-US").grouped
	Singular       = singular
	ParameterWords = parameterWords
	Fact           = fact
	BoundWords     = boundWords
	AssetURL       = assetURL
)
