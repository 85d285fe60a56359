package listing_test

import (
	"testing"

	"github.com/freshlist/freshlist/internal/listing/listingtest"
)

// What pages print can be asked for on pages: a value also asks for what is stored and printed so.
func TestEntered(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"properties?city=Elk+Grove":                  "properties?city=ELK+GROVE,ELK_GROVE,Elk+Grove",
		"properties?city=Folsom,GALT":                "properties?city=FOLSOM,Folsom,GALT",
		"properties?city=ELK_GROVE":                  "properties?city=ELK_GROVE",
		"properties?property_type=Multi-Family":      "properties?property_type=Multi-Family,Multi_Family",
		"properties?status=For+sale&sort=price":      "properties?status=For+sale,For_sale,for+sale,for_sale&sort=price",
		"properties?postal_code=Elk+Grove&q=Folsom":  "properties?postal_code=Elk+Grove&q=Folsom",
		"properties?city=elk+grove":                  "properties?city=elk+grove",
		"properties/summary?city=Folsom&min_price=1": "properties/summary?city=FOLSOM,Folsom&min_price=1",
	} {
		q := listingtest.Query(text)
		before := q.String()
		if got := q.Entered().String(); got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
		if q.String() != before {
			t.Errorf("%s has become %s", before, q)
		}
	}
	many := listingtest.Query("properties?city=A1,B1,C1,D1,E1,F1,Folsom,G1,H1,I1,J1,K1,L1,M1,N1,O1,P1,Q1,R1,S1")
	if got := many.Entered().String(); got != many.String() {
		t.Errorf("more values than a request may have: %s", got)
	}
}
