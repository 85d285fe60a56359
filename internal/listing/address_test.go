package listing_test

import (
	"strings"
	"testing"

	"github.com/freshlist/freshlist/internal/description"
	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/listing/listingtest"
)

func TestParseAddress(t *testing.T) {
	t.Parallel()
	site := listingtest.Site()
	for address, want := range map[string]string{
		"/v1/properties?city=FOLSOM":                            "json properties?city=FOLSOM",
		"/v1/properties/":                                       "json properties",
		"/v1/properties?limit=20&city=FOLSOM&sort=newest":       "json properties?city=FOLSOM",
		"http://127.0.0.1:8080/v1/properties/17":                "json properties/17",
		"https://homes.example/v1/properties/summary?city=GALT": "json properties/summary?city=GALT",
		"/properties/17":                                        "html properties/17",
		"/?city=FOLSOM&utm_source=mail":                         "html properties?city=FOLSOM",
		"http://127.0.0.1:8080":                                 "html properties",
		"/properties?city=FOLSOM":                               "html properties?city=FOLSOM",
		"/?city=Folsom":                                         "html properties?city=FOLSOM,Folsom",
		"/v1/properties?city=Folsom":                            "json properties?city=Folsom",
		"properties?city=FOLSOM":                                "json properties?city=FOLSOM",
	} {
		q, format, err := site.ParseAddress(address)
		if got := format + " " + q.String(); err != nil || got != want {
			t.Errorf("%s is %s, %v; want %s", address, got, err, want)
		}
	}
	for address, says := range map[string]string{
		"/v1/properties?town=FOLSOM": "town",
		"/v1/prices":                 "/v1/properties",
		"/v1/properties/none":        "none",
		"/v1/properties/1/2":         "no key",
		"/properties/summary":        "no key",
		"/v1/":                       "/v1/properties",
		"properties?city=":           "properties?city=",
		"http://[":                   "no URL",
	} {
		if q, _, err := site.ParseAddress(address); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s is %s, %v; want an error with %q", address, q, err, says)
		}
	}
}

// A picture has an address of its own, which is of its row.
func TestParseAddressOfAPicture(t *testing.T) {
	t.Parallel()
	d, err := description.Decode(listingtest.Site().Description.Encode())
	if err != nil {
		t.Fatal(err)
	}
	title := &d.Tables[0].Columns[listingtest.Properties().Column("title")]
	title.Member, title.Show = "a title", description.ShowSVG
	site := listing.NewSite(d)
	for _, address := range []string{"/properties/17/a%20title.svg", "http://127.0.0.1:8080/properties/17/a%20title.svg?x=1"} {
		if q, format, err := site.ParseAddress(address); err != nil || format != listing.SVGFormat || q.String() != "properties/17" {
			t.Errorf("%s is %s as %q: %v", address, q, format, err)
		}
	}
	for _, address := range []string{"/v1/properties/17/a%20title.svg", "/properties/17/city.svg", "/properties/x/a%20title.svg"} {
		if q, format, err := site.ParseAddress(address); err == nil {
			t.Errorf("%s is %s as %q", address, q, format)
		}
	}
}
