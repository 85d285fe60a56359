package schema_test

import (
	"fmt"
	"testing"

	"github.com/freshlist/freshlist/internal/description"
	"github.com/freshlist/freshlist/internal/pgtest/migrated"
	"github.com/freshlist/freshlist/internal/schema"
)

func TestSeed(t *testing.T) {
	t.Parallel()
	conn := connect(t, migrated.New(t).Owner)
	seed := func(rows int, want int64) {
		t.Helper()
		if added, err := schema.Seed(t.Context(), conn, rows); err != nil || added != want {
			t.Errorf("seed %d has added %d, %v; want %d", rows, added, err, want)
		}
	}
	seed(0, 932)
	seed(0, 0)
	const row = `
		select concat_ws('|', id, title, description, property_type, status, price, city, postal_code, bedrooms, bathrooms, living_area,
			latitude, longitude, created_at at time zone 'UTC', updated_at at time zone 'UTC')
		from properties where id = $1`
	for id, want := range map[int]string{
		57: "57|4-bed Multi-Family in Sacramento|A multi-family property with 4 bedrooms and 2 bathrooms on 1943 square feet. It is in Sacramento, " +
			"postal code 95842.|Multi_Family|for_sale|179580.00|SACRAMENTO|95842|4|2.0|1943|38.665724|-121.358576|2008-05-15 06:32:00|2008-05-15 06:32:00",
		1: "1|2-bed Residential in Sacramento|A residential property with 2 bedrooms and 1 bathroom on 836 square feet. It is in Sacramento, postal code 95838.|" +
			"Residential|for_sale|59222.00|SACRAMENTO|95838|2|1.0|836|38.631913|-121.434879|2008-05-15 00:00:00|2008-05-15 00:00:00",
	} {
		if got := one[string](t, conn, row, id); got != want {
			t.Errorf("listing %d:\n got %s\nwant %s", id, got, want)
		}
	}
	if got := one[string](t, conn, "select concat_ws(' ', min(id), max(id), max(created_at) at time zone 'UTC', count(distinct city)) from properties"); got != "1 932 2008-05-19 12:37:00 37" {
		t.Errorf("the sample: %s", got)
	}
	seed(500, 0)
	seed(2000, 1068)
	seed(2000, 0)
	seed(0, 0)
	if n := one[int](t, conn, "select count(*) from properties a join properties b on b.id = a.id + 932 where a.price = b.price and a.latitude = b.latitude"); n > 10 {
		t.Errorf("%d listings of 1,068 are mere copies", n)
	}
	exec(t, conn, "insert into properties (title, property_type, price, city) values ('t', 'Condo', 1, 'LOOMIS')")
	if id := one[int64](t, conn, "select max(id) from properties"); id != 2001 {
		t.Errorf("the next listing has id %d", id)
	}
	// Another database gets the same, be it in one step or several.
	other := connect(t, migrated.New(t).Owner)
	if added, err := schema.Seed(t.Context(), other, 2000); err != nil || added != 2000 {
		t.Fatalf("seed 2000: %d, %v", added, err)
	}
	// The other tables of the site have rows too, and a column that the site describes has values.
	parsed, _ := description.Parse(schema.Shipped().Name, schema.Shipped().Text)
	for _, relation := range parsed.Relations() {
		digest := "select coalesce(md5(string_agg(r::text, '' order by r::text collate \"C\")), 'nothing') from " + relation.SQL() + " as r"
		if relation.Name == "properties" {
			digest += " where id <= 2000"
		}
		if got := one[string](t, conn, digest); got != one[string](t, other, digest) || got == "nothing" {
			t.Errorf("the sample of %s is %s, and in another database it is not", relation, got)
		}
	}
	for i := range parsed.Tables {
		for _, c := range parsed.Tables[i].Columns {
			has := fmt.Sprintf("select count(%s) from %s", description.QuoteIdentifier(c.Name.Value), parsed.Relations()[i].SQL())
			if one[int](t, conn, has) == 0 {
				t.Errorf("the sample has no %s of %s", c.Name.Value, parsed.Tables[i].Name.Value)
			}
		}
	}
}
