package listingtest

// Column is one column of the table properties, as a guard test walks it: see Columns.
type Column struct {
	Number   int // in Properties
	Name     string
	Type     string   // in SQL
	Values   []string // in SQL; each is another value than its neighbours
	Writable string   // JSON that a PATCH can set it to; "" if it cannot
	Queries  []string // that compare or order by the column, beside those that only show it
}

// Columns are all columns but those that PostgreSQL computes from them, with values that the column's type can hold: usual ones, and
// those that only a table can have whose checks were dropped. Guard tests walk them, so
// that a column that is forgotten somewhere is found wherever that is.
func Columns() []Column {
	texts := []string{
		`'usual'`, `''`, `E'two\nlines\r\t'`, `E'\x01\x7f'`, `U&'\2028\2029'`, `U&'e\0301'`, `U&'\FFFF\+10FFFE'`,
		`'🏡'`, `'a,b"\<&>'`, `'usual'`,
	}
	long := append(texts[:len(texts):len(texts)], `repeat('long ', 300000)`, `'usual'`)
	instants := []string{
		`'2024-05-15 12:34:56.5+00'`, `'infinity'`, `'-infinity'`, `'294276-12-31 23:59:59.999999+00'`, `'4714-11-24 00:00:00+00 BC'`,
		`'10000-01-01 00:00:00+00'`, `'9999-12-31 23:59:59.999999+00'`, `'0001-01-01 00:00:00+00'`, `'0001-12-31 23:59:59.25+00 BC'`,
		`'1899-12-31 23:59:59+00'`, `'2200-01-01 00:00:00+00'`, `'2024-01-01 00:00:00+00'`,
	}
	degrees := []string{
		`38.75`, `'NaN'`, `'Infinity'`, `'-Infinity'`, `'Infinity'::float8 - 'Infinity'`, `'-0'`, `0`, `1e300`, `-1e-300`, `null`, `'NaN'`, `38.25`,
	}
	columns := []Column{
		{0, "id", "bigint", []string{`500`, `0`, `-1`, `9223372036854775807`, `-9223372036854775808`, `1000000000000000000`, `2000`}, "", nil},
		{0, "title", "text", long, `"another title"`, []string{"properties?q=usual"}},
		{0, "description", "text", long, `"another description"`, []string{"properties?q=usual"}},
		{0, "property_type", "text", long, `"Villa"`, []string{"properties?property_type=usual"}},
		{0, "status", "text", append(long[:len(long):len(long)], `'sold'`, `'gone'`, `'for_sale'`), `"pending"`, []string{"properties?status=sold", "properties?status=usual"}},
		{
			0, "price", "numeric(14, 2)",
			[]string{`5`, `'NaN'`, `-1`, `'NaN'`, `999999999999.99`, `-999999999999.99`, `0`, `0.01`, `300000`},
			`77.05`,
			[]string{
				"properties?sort=price", "properties?sort=-price", "properties?sort=price&limit=2", "properties?sort=-price&limit=2",
				"properties?min_price=6", "properties?max_price=999999999999.99", "properties/summary?min_price=0", "properties?min_price=5&max_price=5",
			},
		},
		{0, "city", "text", texts, `"Another City"`, []string{"properties?city=usual", "properties/summary?city=usual"}},
		{0, "postal_code", "text", append([]string{`null`}, texts...), `"12345"`, []string{"properties?postal_code=usual"}},
		{
			0, "bedrooms", "smallint", []string{`6`, `-1`, `32767`, `-32768`, `null`, `0`, `3`}, `4`,
			[]string{"properties?min_bedrooms=0", "properties?max_bedrooms=2", "properties?min_bedrooms=3&max_bedrooms=3"},
		},
		{
			0, "bathrooms", "numeric(3, 1)", []string{`2.5`, `'NaN'`, `-99.9`, `99.9`, `'NaN'`, `null`, `0`, `1.5`}, `3.5`,
			[]string{"properties?min_bathrooms=0", "properties?min_bathrooms=99.9"},
		},
		{
			0, "living_area", "integer", []string{`1000`, `-1`, `0`, `2147483647`, `-2147483648`, `null`, `900`}, `950`,
			[]string{
				"properties?sort=area", "properties?sort=-area", "properties?sort=area&limit=2", "properties?sort=-area&limit=2",
				"properties?min_area=0", "properties?max_area=950",
			},
		},
		{0, "latitude", "double precision", degrees, `12.5`, []string{"properties?bbox=-180,38,180,39", "properties?bbox=-180,-1,180,0"}},
		{0, "longitude", "double precision", degrees, `-12.5`, []string{"properties?bbox=38,-90,39,90", "properties?bbox=-180,-90,0,90"}},
		{0, "created_at", "timestamptz", instants, "", []string{"properties?limit=2", "properties?limit=1"}},
		{0, "updated_at", "timestamptz", instants, "", nil},
	}
	for i := range columns {
		columns[i].Number = Properties().Column(columns[i].Name)
	}
	return columns
}

// DropChecks is SQL that drops the table's checks.
const DropChecks = `do $$ declare name text; begin
	for name in select conname from pg_constraint where conrelid = 'public.properties'::regclass and contype = 'c' loop
		execute format('alter table public.properties drop constraint %I', name);
	end loop;
end $$`
