package database

import (
	"context"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/freshlist/freshlist/internal/listing"
)

// facetLimit is how many values of a column a summary lists at most.
const facetLimit = 100

// What a row of a summary stands for: the value of grouping(city, property_type,
// bedrooms), in which a bit is set for each column that is not grouped by.
const (
	byCity         = 0b011
	byPropertyType = 0b101
	byBedrooms     = 0b110
	total          = 0b111
)

// summaryStatement aggregates in two steps: the table's rows once, by all three
// columns, then those few groups by each of them. The row for the total is there
// even for no property at all. Texts are ranked by their bytes, which does not
// depend on the database's locale.
func summaryStatement(f *listing.Filter, epoch string) *statement {
	s := &statement{}
	conditions := s.filter(f)
	s.add(`with fine as materialized (
			select city, property_type, bedrooms, count(*) as n, min(price) as low, max(price) as high, sum(price) as worth
			from public.properties`, conditions.where(), ` group by 1, 2, 3
		), coarse as (
			select grouping(city, property_type, bedrooms) as facet, city, property_type, bedrooms,
				coalesce(sum(n), 0) as n, min(low) as low, max(high) as high, sum(worth) as worth
			from fine group by grouping sets ((), (city), (property_type), (bedrooms))
		), ranked as (
			select *, round(worth / nullif(n, 0), 2) as mean, row_number() over (partition by facet
				order by n desc, coalesce(city, property_type) collate "C", bedrooms) as place
			from coarse
		)
		select (select `, epoch, `), facet, coalesce(city, property_type, bedrooms::text), n::bigint,
			`, cents("low"), ", ", cents("high"), ", ", cents("mean"), `
		from ranked where place <= `, s.arg(facetLimit), `::bigint order by facet, place`)
	return s
}

// cents makes whole cents of a numeric.
func cents(column string) string {
	return strings.ReplaceAll(priceCents, "p.price", column)
}

// readSummary runs a summary's statement.
func (a *answer) readSummary(ctx context.Context, pool *Pool, conn *pgx.Conn, epoch string) error {
	s := summaryStatement(&a.queryset.Query.Filter, epoch)
	rows, err := pool.query(ctx, conn, s.text.String(), s.args...)
	if err != nil {
		return err
	}
	var (
		facet           int32
		value           pgtype.Text
		n               int64
		low, high, mean pgtype.Int8
		sum             = &a.queryset.Summary
	)
	_, err = pgx.ForEachRow(rows, []any{&a.epoch, &facet, &value, &n, &low, &high, &mean}, func() error {
		f := listing.Facet{Value: listing.Null[string]{V: value.String, Valid: value.Valid}, Count: n}
		switch facet {
		case byCity:
			sum.ByCity = append(sum.ByCity, f)
		case byPropertyType:
			sum.ByPropertyType = append(sum.ByPropertyType, f)
		case byBedrooms:
			sum.ByBedrooms = append(sum.ByBedrooms, f)
		case total:
			if !priceFits(low) || !priceFits(high) || !priceFits(mean) {
				return misfit("price", "has a value that numeric(14,2) cannot hold")
			}
			sum.Count = n
			sum.MinPrice, sum.MaxPrice, sum.MeanPrice = low.Int64, high.Int64, mean.Int64
			if n > 0 && !low.Valid {
				sum.MinPrice, sum.MaxPrice, sum.MeanPrice = listing.NoPrice, listing.NoPrice, listing.NoPrice
			}
		}
		return nil
	})
	if err == nil {
		err = rows.Err()
	}
	return err
}
