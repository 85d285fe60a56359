package coherence

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"

	"github.com/freshlist/freshlist/internal/description"
	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/schema"
)

//go:embed site.yaml
var siteListings string

// The variants of the description, by their place in variants.
const (
	usual = iota // site.yaml as it is
	more         // it uses all columns and tables that any of them uses
	less
)

// variants are the descriptions that are installed one after the other. The text of a query means
// something else by each of them.
var variants = []struct {
	name  string
	lines *strings.Replacer
}{
	usual: {"usual.yaml", strings.NewReplacer()},
	// Lists and inner rows show more columns, one of which nothing used before; and there is one more table.
	more: {"more.yaml", strings.NewReplacer(
		"updated_at:    {on: item, write: now}", "updated_at:    {write: now}",
		"phone:         {on: item}", "phone:         {}\n      email:         {}",
		"  agents:\n", "  visits:\n    columns:\n      id:            {}\n      note:          {sort: true}\n  agents:\n",
	)},
	// A filter is gone, and the rows of one table inside those of another; the default order is another one.
	less: {"less.yaml", strings.NewReplacer(
		"postal_code:   {filter: any-of}", "postal_code:   {}",
		"newest: created_at", "newest: price",
		"      photos:        {table: photos, by: property_id, many: position}\n", "",
	)},
}

// fileOf returns the description of a variant.
func fileOf(variant int) schema.File {
	v := &variants[variant]
	return schema.File{Name: v.name, Text: v.lines.Replace(siteListings)}
}

// resolveVariants returns the site of each variant. read returns what the database says of
// relations.
func resolveVariants(read func([]description.RelationName) (*description.Catalog, error)) ([]*listing.Site, error) {
	var sites []*listing.Site
	for i := range variants {
		f := fileOf(i)
		file, faults := description.Parse(f.Name, f.Text)
		if len(faults) > 0 {
			return nil, faults
		}
		catalog, err := read(file.Relations())
		if err != nil {
			return nil, err
		}
		d, faults := description.Resolve(file, catalog)
		if len(faults) > 0 {
			return nil, faults
		}
		sites = append(sites, listing.NewSite(d))
	}
	for i, site := range sites {
		if site == sites[usual] {
			continue
		}
		if site.Identity == sites[usual].Identity {
			return nil, fmt.Errorf("%s is as %s: bring it up to date", variants[i].name, variants[usual].name)
		}
	}
	for _, site := range sites {
		for _, t := range site.Tables {
			all := sites[more].Table(t.Name)
			for i := range t.Columns {
				if all == nil || !slices.ContainsFunc(all.Columns, func(c listing.Column) bool { return c.Name == t.Columns[i].Name }) {
					return nil, fmt.Errorf("%s lacks %s of %s", variants[more].name, t.Columns[i].Name, t.Name)
				}
			}
		}
	}
	return sites, nil
}
