package description_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/freshlist/freshlist/internal/description"
	"github.com/freshlist/freshlist/internal/listing/listingtest"
)

func TestParse(t *testing.T) {
	t.Parallel()
	file, faults := description.Parse("listings.yaml", listingtest.PropertiesListings)
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	if len(file.Tables) != 1 || len(file.Tables[0].Columns) != 15 || file.Site.Currency.Value != "USD" {
		t.Fatalf("read %+v", file)
	}
	price := file.Tables[0].Columns[5]
	if price.Name.Value != "price" || price.Filter.Value != "range" || !price.Sort.Value || price.Show.Value != "money" || price.Search.Given() {
		t.Errorf("price is %+v", price)
	}
	before, _, _ := strings.Cut(listingtest.PropertiesListings, "price:")
	if want := (description.Span{Line: strings.Count(before, "\n") + 1, Column: 31, Length: 5}); price.Filter.At != want {
		t.Errorf("the filter of price stands at %+v, want %+v", price.Filter.At, want)
	}
	if got := file.Relations(); !slices.Equal(got, []description.RelationName{{Schema: "public", Name: "properties"}}) {
		t.Errorf("the relations are %v", got)
	}
}

// Places count characters, whatever the encoding and the ends of lines are.
func TestPlaces(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"tables: {homes: {columns: {é日: {x: 1}}}}":                           "f:1:33",
		"\ufefftables: {homes: {columns: {a: {x: 1}}}}":                      "f:1:32",
		"tables:\r\n  homes:\r\n    columns:\r\n      a: {x: 1}\r\n":         "f:4:11",
		"# é\n\ntables: # c\n  homes:\n    columns:\n      a:\n        x: 1": "f:7:9",
		"tables: {homes: {columns: {\n  a: {\n  x: 1}}}}":                    "f:3:3",
		"tables: {homes: {columns: {'a''b': {\"x\": 1}}}}":                   "f:1:37",
	} {
		_, faults := description.Parse("f", text)
		if len(faults) != 1 || !strings.HasPrefix(faults[0].String(), want+": ") {
			t.Errorf("%q: %v, want a fault at %s", text, faults, want)
		}
	}
}

// Whoever sends a file that is too large, too deep or multiplies itself gets a fault, soon.
func TestLimits(t *testing.T) {
	t.Parallel()
	laugh := "a0: &a0 {filter: range}\n"
	for n := range 20 {
		laugh += fmt.Sprintf("a%d: &a%d {x: *a%d, y: *a%d, z: *a%d}\n", n+1, n+1, n, n, n)
	}
	many := "tables:\n  first:\n    columns: &columns\n"
	for n := range 900 {
		many += fmt.Sprintf("      c%d: {filter: range}\n", n)
	}
	for n := range 90 {
		many += fmt.Sprintf("  t%d: {columns: *columns}\n", n)
	}
	for _, test := range []struct{ name, text, want string }{
		{"size", "# " + strings.Repeat("x\n# ", description.MaxSize/4+1), "bytes, and may have"},
		{"line", "a: " + strings.Repeat("x", 2000), "characters, and may have"},
		{"tokens", strings.Repeat("a: b\n", 10_000), "the file is too long"},
		{"brackets", strings.Repeat("[", 500), "inside one another"},
		{"brackets in lines", strings.Repeat("[\n", 5000), "inside one another"},
		{"braces", strings.Repeat("{a: ", 200), "inside one another"},
		{"dashes", strings.Repeat("- ", 400), "inside one another"},
		{"questions", strings.Repeat("? ", 400), "inside one another"},
		{"indentation", indented(200), "inside one another"},
		{"aliases", "site: *a20\n" + laugh, "no member"},
		{"aliases of columns", many, "with its aliases"},
		{"invalid UTF-8", "tables: \xff", "not UTF-8"},
		{"a NUL", "tables: \x00", "control character"},
		{"an escape", "tables: \x1b[31m", "control character"},
		{"columns", "tables: {a: {columns:\n{" + strings.Repeat("a: ,\n", 1) + columns(1601) + "}}}", "has 1602 members"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, faults := description.Parse("f", test.text)
			if !strings.Contains(faults.Error(), test.want) {
				t.Errorf("%.500s; want %q", faults.Error(), test.want)
			}
			if n := len(faults.Error()); n > 1<<20 {
				t.Errorf("the faults have %d bytes", n)
			}
		})
	}
}

// What one program reads in one way and another in another is refused, though the parser
// would guess.
func TestAmbiguousYAML(t *testing.T) {
	t.Parallel()
	const good = "tables: {homes: {columns: {city: {label: x}}}}\n"
	if _, faults := description.Parse("f", good); len(faults) > 0 {
		t.Fatal(faults)
	}
	for _, bad := range []string{
		"{label: x: y}", "{label: x y: z}", "{label: x}!", "{label: x} y", "{label: x}}", "{label: x,, on: list}", "{, label: x}", "{label: [x}]", "{label: }x}",
		"{label: x\n  y}", "{label: 'x\n  y'}", "{label:x}", "{label: &a}", "{label: & x}", "{label: !x y}", "{? label: x}", "{label: @x}", "{label: `x}", "{label: %x}", "{label: \"x\"y}",
		"{label: 'x' 'y'}", "{label: :x}", "{label: |x}", "{label: >x}", "{la\tbel: x}", "{label:\tx}", "{{label: x}: y}", "{[label]: x}", "{label: x", "label: x}", "[label: x", "{- label: x}",
	} {
		_, faults := description.Parse("f", strings.Replace(good, "{label: x}", bad, 1))
		if len(faults) == 0 || faults[0].Kind != description.Syntax {
			t.Errorf("%s is not refused as YAML: %v", bad, faults)
		}
	}
	const column = "tables:\n  homes:\n    columns:\n      city:"
	for _, bad := range []string{column + " {}!\n", column + " !!str", column + "\n        label: 'x\n          y'\n", column + "\n        label: \"x\n          y\"\n", "a: !x\n", "tables:\n  : x\n", "%YAML 1.2\n---\n" + good, "a: |\n  b\n", "a: b\n  c\n"} {
		if _, faults := description.Parse("f", bad); len(faults) == 0 || faults[0].Kind != description.Syntax {
			t.Errorf("%q is not refused as YAML: %v", bad, faults)
		}
	}
}

// indented returns mappings that stand n deep in one another.
func indented(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strings.Repeat(" ", i) + "a:\n")
	}
	return b.String()
}

func columns(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "c%d: ,\n", i)
	}
	return b.String()
}

func FuzzParse(f *testing.F) {
	for _, text := range testFiles(f) {
		f.Add(text)
	}
	f.Add(listingtest.PropertiesListings)
	for _, text := range []string{"&a", "*a", "? ", "- - -", "{", "[", "|", ">\n", "%YAML 1.2\n---\n", "---\n---\n", "!!binary x", "a: &a *a", "'", "\"\\x", "<<:", "\t", "a:\n\t- b", "\r", "\ufeff"} {
		f.Add(text)
	}
	known := catalog()
	f.Fuzz(func(t *testing.T, text string) {
		file, faults := description.Parse("f", text)
		again, same := description.Parse("f", text)
		if !reflect.DeepEqual(file, again) || !reflect.DeepEqual(faults, same) {
			t.Fatal("the same file is read in two ways")
		}
		if file == nil && len(faults) == 0 {
			t.Fatal("neither a file nor a fault")
		}
		for i, g := range faults {
			if g.Line < 1 || g.Column < 1 || g.Length < 1 || i > 0 && faults[i-1].Line > g.Line {
				t.Fatalf("fault %d stands at %+v", i, g.Span)
			}
		}
		if text := faults.Error(); strings.Contains(text, "runtime error") {
			t.Fatal(text)
		}
		if file == nil {
			return
		}
		d, all := description.Resolve(file, known)
		if (d == nil) != (len(all) > 0) || len(all) < len(faults) {
			t.Fatalf("a description %t, faults %d, of Parse %d", d != nil, len(all), len(faults))
		}
		_ = all.Error() + description.Review(file, known).Error()
		if d == nil {
			return
		}
		back, err := description.Decode(d.Encode())
		if err != nil || !reflect.DeepEqual(back, d) {
			t.Fatalf("%v: %s", err, d.Encode())
		}
	})
}
