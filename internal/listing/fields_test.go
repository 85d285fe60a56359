package listing_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/listing/listingtest"
)

// Fields stand in the order of the row, each once, however they were asked for; all of them are none.
func TestFields(t *testing.T) {
	t.Parallel()
	table := listingtest.Properties()
	all := strings.Join(table.Members(listing.RowKind), ",")
	for raw, want := range map[string]string{
		"":                                     "",
		"fields=":                              "",
		"fields=,":                             "",
		"fields=price,id":                      "fields=id,price",
		"fields=price&fields=id,price&fields=": "fields=id,price",
		"fields=" + all:                        "",
		"fields=description,id":                "fields=id,description",
	} {
		fields, faults := table.ParseFields(values(t, raw), listing.RowKind)
		if got := fields.Query(); got != want || len(faults) > 0 {
			t.Errorf("%q: %q, want %q, %v", raw, got, want, faults)
		}
	}
	for raw, want := range map[string]string{
		"fields=prise":       "did you mean price?",
		"fields=id,nothing":  "there are id, title",
		"fields=description": `"description", which is no member`, // of an item of a list
		"fields=%ff":         "UTF-8",
	} {
		if _, faults := table.ParseFields(values(t, raw), listing.PageKind); len(faults) != 1 || faults[0].Name != "fields" || !strings.Contains(faults[0].Detail, want) {
			t.Errorf("%q: %v, want a fault that says %q", raw, faults, want)
		}
	}
	if _, faults := table.ParseFields(values(t, "fields=a1,"+strings.Repeat("x1,y2,", 9)+"b2,c3"), listing.PageKind); len(faults) != 5 {
		t.Errorf("%v, want a fault for each name", faults)
	}
	if members := listingtest.Every().Members(listing.RowKind); !slices.Contains(members, "SELECT") {
		t.Errorf("%q lack a member", members)
	}
}

// No canonical text has what is no part of a query.
func TestFieldsAreNoPartOfAQuery(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"properties?fields=id", "properties?count=true", "properties/17?fields=id"} {
		if _, err := listingtest.Site().Parse(text); err == nil {
			t.Errorf("%s is taken for canonical text", text)
		}
	}
	q, _, err := listingtest.Site().ParseAddress("/v1/properties?fields=id&count=true&city=A")
	if err != nil || q.String() != "properties?city=A" {
		t.Errorf("%s, %v", q, err)
	}
}

// Several rows are asked for by their keys, which are as exact as those of a row's address.
func TestIDs(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"/v1/properties?ids=17,3&ids=3":                        "properties?ids=17,3",
		"/v1/properties/summary?ids=5&city=A":                  "properties/summary?city=A&ids=5",
		`/v1/every?ids=a\,%20b,summary`:                        `every?ids=a%5C%2C+b,summary`,
		"/v1/by-uuid?ids=123E4567-E89B-12D3-A456-426614174000": "by-uuid?ids=123e4567-e89b-12d3-a456-426614174000",
	} {
		site := listingtest.Site()
		if !strings.HasPrefix(want, "properties") {
			site = listingtest.EverySite()
		}
		if q, _, err := site.ParseAddress(address); err != nil || q.String() != want {
			t.Errorf("%s: %s, want %s (%v)", address, q, want, err)
		}
	}
	for _, raw := range []string{"ids=x", "ids=1.5", "ids=9223372036854775808", "ids=1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21"} {
		if _, faults := listingtest.Properties().ParsePage(values(t, raw), listing.Strict); len(faults) != 1 || faults[0].Name != "ids" {
			t.Errorf("%s: %v, want a fault of ids", raw, faults)
		}
	}
}
