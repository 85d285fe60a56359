package listing_test

import (
	"fmt"
	"net/url"

	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/listing/listingtest"
)

func ExampleTable_ParsePage() {
	properties := listingtest.Properties()
	v, _ := url.ParseQuery("limit=50&city=FOLSOM&sort=price&city=ELK_GROVE&max_price=500000.00&q=")
	q, faults := properties.ParsePage(v, listing.Strict)
	fmt.Println(q, len(faults))

	v, _ = url.ParseQuery("citty=FOLSOM&min_price=9&max_price=5&limit=1000")
	_, faults = properties.ParsePage(v, listing.Strict)
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
	q := listingtest.Query("properties?city=FOLSOM&sort=price&limit=1")
	ahead := listingtest.Property(9, "price", 351_000)
	qs := listing.Queryset{
		Query: q,
		Items: []listing.Row{listingtest.Property(17, "city", "FOLSOM", "price", 350_000)},
		Ahead: listing.Some(q.Table.KeyOf(q.Sort, &ahead)),
	}
	fmt.Println(qs.Next())
	fmt.Println(qs.Window())
	// Output:
	// /v1/properties?city=FOLSOM&sort=price&limit=1&cursor=AoC7sCEiiQzRQQ
	// 35000000/17/35100000/9
}
