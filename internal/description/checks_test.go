package description_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/freshlist/freshlist/internal/description"
)

// checked resolves a table with a column x of a type, a check of the table and one of the
// column's domain, and returns the column.
func checked(t testing.TB, typ description.Type, table, domain []string) description.Column {
	t.Helper()
	file, faults := description.Parse("checks.yaml", "tables: {things: {columns: {x: {}}}}")
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	bigint := description.Type{Kind: description.Bigint, Name: "bigint", Bytes: 8}
	c := &description.Catalog{Relations: []description.Relation{{
		RelationName: description.RelationName{Schema: "public", Name: "things"}, Kind: description.OrdinaryTable, Checks: table,
		Attributes: []description.Attribute{
			{Number: 1, Name: "id", Type: bigint, NotNull: true},
			{Number: 2, Name: "x", Type: typ, Checks: domain},
		},
		Indexes: []description.IndexInfo{{Name: "things_pkey", Method: "btree", Primary: true, Unique: true, Valid: true, Columns: []int16{1}, Keys: 1}},
	}}}
	d, faults := description.Resolve(file, c)
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	if _, err := description.Decode(d.Encode()); err != nil {
		t.Errorf("%q: %v", slices.Concat(table, domain), err)
	}
	return d.Tables[0].Columns[1]
}

// The expressions are spelled as PostgreSQL's pg_get_expr does.
func TestChecks(t *testing.T) {
	t.Parallel()
	types := map[string]description.Type{
		"integer": {Kind: description.Integer, Name: "integer"},
		"price":   {Kind: description.Numeric, Name: "numeric(14,2)", Precision: 14, Scale: 2},
		"coarse":  {Kind: description.Numeric, Name: "numeric(5,-2)", Precision: 5, Scale: -2},
		"numeric": {Kind: description.Numeric, Name: "numeric"},
		"double":  {Kind: description.Double, Name: "double precision"},
		"text":    {Kind: description.Text, Name: "text"},
		"varchar": {Kind: description.Varchar, Name: "character varying(8)"},
		"char":    {Kind: description.Char, Name: "character(4)"},
		"date":    {Kind: description.Date, Name: "date"},
	}
	x := regexp.MustCompile(`\bx\b`)
	for _, test := range []struct{ typ, check, least, greatest, oneOf string }{
		{"price", `((x >= (0)::numeric) AND (x <= 999999999999.99))`, "0", "999999999999.99", ""},
		{"price", `(x > (0)::numeric)`, "0.01", "", ""},
		{"price", `(x < (100)::numeric)`, "", "99.99", ""},
		{"price", `((x > 0.001) AND (x < 0.999))`, "0.01", "0.99", ""},
		{"price", `((x >= '-0.005'::numeric) AND (x <= '-0.001'::numeric))`, "0", "-0.01", ""},
		{"price", `((0)::numeric <= x)`, "0", "", ""},
		{"price", `((x)::integer >= 1)`, "", "", ""},
		{"coarse", `((x >= (1)::numeric) AND (x <= (999)::numeric))`, "100", "900", ""},
		{"coarse", `((x > (100)::numeric) AND (x < (900)::numeric))`, "200", "800", ""},
		{"numeric", `((x > (0)::numeric) AND (x <= 1.50))`, "0", "1.5", ""},
		{"integer", `(x >= 0)`, "0", "", ""},
		{"integer", `(x > 0)`, "1", "", ""},
		{"integer", `(x < 10)`, "", "9", ""},
		{"integer", `((x > '-5'::integer) AND (x <= 5))`, "-4", "5", ""},
		{"integer", `((x)::numeric >= 0.5)`, "1", "", ""},
		{"integer", `((x)::numeric < '-0.5'::numeric)`, "", "-1", ""},
		{"integer", `((x >= 0) AND (x >= 5) AND (x <= 9) AND (x < 9))`, "5", "8", ""},
		{"integer", `(((x >= 0) AND (x <= 9)) AND (length(y) < 5))`, "0", "9", ""},
		{"integer", `((x IS NULL) OR (x >= 3))`, "3", "", ""},
		{"integer", `((x IS NULL) OR ((x >= 3) AND (x <= 5)))`, "3", "5", ""},
		{"integer", `((y IS NULL) OR (x >= 3))`, "", "", ""},
		{"integer", `((x IS NULL) OR ((x >= 3) AND (length(y) < 5)))`, "", "", ""},
		{"integer", `((x >= 3) OR (x <= 1))`, "", "", ""},
		{"integer", `((x IS NOT NULL) AND (x >= 3))`, "3", "", ""},
		{"integer", `(NOT (x >= 3))`, "", "", ""},
		{"integer", `(x <> 3)`, "", "", ""},
		{"integer", `((x % 2) = 0)`, "", "", ""},
		{"integer", `((x + 1) >= 3)`, "", "", ""},
		{"integer", `(y >= 3)`, "", "", ""},
		{"integer", `(x >= y)`, "", "", ""},
		{"integer", `(abs(x) >= 3)`, "", "", ""},
		{"integer", `(x >= (0.5)::integer)`, "", "", ""},
		{"integer", `(x >= (1.5)::numeric(1,0))`, "", "", ""},
		{"integer", `(x >= '1000000000000000000000'::numeric)`, "1000000000000000000000", "", ""},
		{"integer", `(x = ANY (ARRAY[1, 2]))`, "", "", ""},
		{"double", `((x >= ('-90'::integer)::double precision) AND (x <= (90)::double precision))`, "-90", "90", ""},
		{"double", `((x > '0.1'::double precision) AND (x < '1e+300'::double precision))`, "0.1", "", ""},
		{"double", `(x <= 'Infinity'::double precision)`, "", "", ""},
		{"text", `(x = ANY (ARRAY['for_sale'::text, 'pending'::text, 'sold'::text]))`, "", "", "for_sale|pending|sold"},
		{"text", `((x = 'a'::text) OR (x = 'b'::text) OR (x IS NULL))`, "", "", "a|b"},
		{"text", `(x = 'it''s, "odd"'::text)`, "", "", `it's, "odd"`},
		{"text", `(('a'::text = x) OR (y = 'b'::text))`, "", "", ""},
		{"text", `((x = ANY (ARRAY['a'::text, 'b'::text, 'c'::text])) AND (x = ANY (ARRAY['c'::text, 'a'::text])))`, "", "", "c|a"},
		{"text", `(x = ANY (ARRAY['a'::text, lower('B'::text)]))`, "", "", ""},
		{"text", `(x = ANY ('{a,b}'::text[]))`, "", "", ""},
		{"text", `(x <> ALL (ARRAY['a'::text]))`, "", "", ""},
		{"text", `(x ~ '^(a|b)$'::text)`, "", "", ""},
		{"text", `(lower(x) = ANY (ARRAY['a'::text]))`, "", "", ""},
		{"text", `(x >= 'a'::text)`, "", "", ""},
		{"varchar", `((x)::text = ANY ((ARRAY['a'::character varying, 'b'::character varying])::text[]))`, "", "", "a|b"},
		{"varchar", `((x)::text = ANY (ARRAY[('a'::character varying)::text, ('b'::character varying)::text]))`, "", "", "a|b"},
		{"varchar", `((x)::text = ('abc'::character varying(2))::text)`, "", "", ""},
		{"char", `(x = ANY (ARRAY['a'::bpchar, 'b c'::bpchar]))`, "", "", "a|b c"},
		{"date", `((x >= '2000-01-01'::date) AND (x < '2100-01-01'::date))`, "", "", ""},
		{"integer", ``, "", "", ""}, {"integer", `(`, "", "", ""}, {"integer", `((((x >= 3)`, "", "", ""}, {"integer", `(x >= 3))`, "", "", ""},
		{"integer", `'`, "", "", ""}, {"integer", `(x >= 3::`, "", "", ""},
		{"text", `(x = ANY (ARRAY[`, "", "", ""}, {"text", `(x = ANY (ARRAY['a'::text`, "", "", ""}, {"text", `(x = ANY (ARRAY[]))`, "", "", ""},
	} {
		for where, c := range map[string]description.Column{
			"table":  checked(t, types[test.typ], []string{test.check}, nil),
			"domain": checked(t, types[test.typ], nil, []string{x.ReplaceAllString(test.check, "VALUE")}),
		} {
			if got := strings.Join(c.OneOf, "|"); c.Least != test.least || c.Greatest != test.greatest || got != test.oneOf {
				t.Errorf("%s, %s of a %s: from %q to %q, one of %q", test.typ, test.check, where, c.Least, c.Greatest, got)
			}
		}
	}
}

// The checks of a domain and of the table hold both.
func TestChecksOfBoth(t *testing.T) {
	t.Parallel()
	typ := description.Type{Kind: description.Integer, Name: "public.percent", Base: "integer"}
	c := checked(t, typ, []string{`(x <= 50)`, `("X" >= 7)`}, []string{`((VALUE >= 0) AND (VALUE <= 100))`})
	if c.Least != "0" || c.Greatest != "50" {
		t.Errorf("from %q to %q", c.Least, c.Greatest)
	}
	many := make([]string, 101)
	for i := range many {
		many[i] = "'" + strings.Repeat("a", i) + "'::text"
	}
	c = checked(t, description.Type{Kind: description.Text, Name: "text"}, []string{`(x = ANY (ARRAY[` + strings.Join(many, ", ") + `]))`}, nil)
	if c.OneOf != nil {
		t.Errorf("it is one of %d", len(c.OneOf))
	}
}

func FuzzChecks(f *testing.F) {
	f.Add(`((x >= (0)::numeric) AND (x <= 999999999999.99))`)
	f.Add(`((x)::text = ANY ((ARRAY['a'::character varying, 'b'''::character varying])::text[]))`)
	f.Add(`((x IS NULL) OR ("Y" <> 1e5) OR (lower(x) = ANY ('{}'::text[])))`)
	f.Fuzz(func(t *testing.T, check string) {
		checked(t, description.Type{Kind: description.Numeric, Name: "numeric"}, []string{check}, []string{check})
		checked(t, description.Type{Kind: description.Text, Name: "text"}, []string{check}, []string{check})
	})
}
