package listing_test

import (
	"fmt"
	"net/url"

	"github.com/freshlist/freshlist/internal/listing"
)

func ExampleParsePage() {
	v, _ := url.ParseQuery("limit=50&city=FOLSOM&sort=price&city=ELK_GROVE&max_price=500000.00&q=")
	q, faults := listing.ParsePage(v, listing.Strict)
	fmt.Println(q, len(faults))

	v, _ = url.ParseQuery("citty=FOLSOM&min_price=9&max_price=5&limit=1000")
	_, faults = listing.ParsePage(v, listing.Strict)
	for _, f := range faults {
		fmt.Println(f.Name+":", f.Detail)
	}
	// Output:
	// properties?city=ELK_GROVE,FOLSOM&max_price=500000&sort=price&limit=50 0
	// min_price: must not be above max_price
	// limit: must be a whole number from 1 to 100
	// citty: unknown parameter; did you mean city?
}

func ExampleQueryset_Next() {
	q := listing.Query{Sort: listing.PriceAsc, Limit: 1}
	q.Filter.City = []string{"FOLSOM"}
	qs := listing.Queryset{
		Query: q,
		Items: []listing.Property{{Row: listing.Row{ID: 17, City: "FOLSOM", Price: 350_000_00}}},
		Ahead: listing.Some(listing.Key{Value: listing.Some[int64](351_000_00), ID: 9}),
	}
	fmt.Println(qs.Next())
	fmt.Println(qs.Window())
	// Output:
	// /v1/properties?city=FOLSOM&sort=price&limit=1&cursor=AYC7sCEimVEwGA
	// 35000000/17/35100000/9
}
