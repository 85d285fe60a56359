package description_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/freshlist/freshlist/internal/description"
)

func good(t testing.TB) *description.Description {
	t.Helper()
	file, _ := description.Parse("good.yaml", testFiles(t)["good.yaml"])
	d, faults := description.Resolve(file, catalog())
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	return d
}

func TestEncode(t *testing.T) {
	t.Parallel()
	d := good(t)
	text := d.Encode()
	back, err := description.Decode(text)
	if err != nil || !reflect.DeepEqual(back, d) {
		t.Fatalf("%v: %+v", err, back)
	}
	if !bytes.Equal(back.Encode(), text) || back.Identity() != d.Identity() || len(d.Identity()) != 32 {
		t.Errorf("the identities are %s and %s", d.Identity(), back.Identity())
	}
	other := good(t)
	other.Tables[0].Columns[1].Label = "Another"
	if other.Identity() == d.Identity() {
		t.Error("two descriptions have one identity")
	}
}

// The text is not to change by accident: another one is another description, and a new
// epoch. Whoever means to change it raises Format.
func TestFormat(t *testing.T) {
	t.Parallel()
	const format, identity = 4, "c7f2d426894a466602deecb11765c595"
	if got := good(t).Identity(); description.Format != format || got != identity {
		t.Errorf("format %d, identity %s", description.Format, got)
	}
}

// A description that contradicts itself is refused: each of these damages alone.
func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	home := func(d *description.Description) *description.Table { return &d.Tables[0] }
	for name, damage := range map[string]func(d *description.Description){
		"no tables":            func(d *description.Description) { d.Tables = nil },
		"home":                 func(d *description.Description) { d.Site.Home = "x" },
		"two of one name":      func(d *description.Description) { d.Tables[1].Name = d.Tables[0].Name },
		"two of one relation":  func(d *description.Description) { d.Tables[1].Relation = d.Tables[0].Relation },
		"no name":              func(d *description.Description) { home(d).Relation.Schema = "" },
		"key":                  func(d *description.Description) { home(d).Key = 99 },
		"negative key":         func(d *description.Description) { home(d).Key = -1 },
		"key may be NULL":      func(d *description.Description) { home(d).Columns[home(d).Key].NotNull = false },
		"label":                func(d *description.Description) { home(d).Label = 99 },
		"newest":               func(d *description.Description) { home(d).Newest = 1 },
		"place":                func(d *description.Description) { home(d).Place.Longitude = 99 },
		"no place":             func(d *description.Description) { home(d).Place = nil },
		"list":                 func(d *description.Description) { home(d).List[0] = 99 },
		"shown twice":          func(d *description.Description) { home(d).List[1] = home(d).List[0]; home(d).Item[1] = home(d).List[0] },
		"item":                 func(d *description.Description) { home(d).Item = home(d).Item[1:] },
		"search":               func(d *description.Description) { home(d).Search = nil },
		"vector":               func(d *description.Description) { home(d).Vector = new(int) },
		"no vector":            func(d *description.Description) { home(d).Vector = new(99) },
		"language":             func(d *description.Description) { home(d).Language = "" },
		"columns out of order": func(d *description.Description) { home(d).Columns[1].Attribute = 1 },
		"attribute":            func(d *description.Description) { home(d).Columns[0].Attribute = 0 },
		"name":                 func(d *description.Description) { d.Site.Home = "Homes"; home(d).Name = d.Site.Home },
		"long name":            func(d *description.Description) { d.Site.Home = strings.Repeat("x", 41); home(d).Name = d.Site.Home },
		"least of a text":      func(d *description.Description) { home(d).Columns[1].Least = "0" },
		"least is no number":   func(d *description.Description) { home(d).Columns[0].Least = "00" },
		"greatest is -0":       func(d *description.Description) { home(d).Columns[0].Greatest = "-0" },
		"one of numbers":       func(d *description.Description) { home(d).Columns[0].OneOf = []string{"1"} },
		"one of two alike":     func(d *description.Description) { home(d).Columns[1].OneOf = []string{"a", "a"} },
		"type":                 func(d *description.Description) { home(d).Columns[1].Type.Kind = "strange" },
		"no element": func(d *description.Description) {
			home(d).Columns[8].Type = description.Type{Kind: description.Array, Name: "x"}
		},
		"write":                 func(d *description.Description) { home(d).Columns[1].Write = "x" },
		"uses":                  func(d *description.Description) { home(d).Columns[1].Uses = home(d).Columns[1].Uses[1:] },
		"parameter's column":    func(d *description.Description) { home(d).Parameters[0].Column = 99 },
		"parameter's kind":      func(d *description.Description) { home(d).Parameters[0].Kind = "x" },
		"parameter of the type": func(d *description.Description) { home(d).Parameters[0].Kind = description.Min },
		"parameter twice":       func(d *description.Description) { home(d).Parameters[1] = home(d).Parameters[0] },
		"parameter wide":        func(d *description.Description) { home(d).Parameters[0].Wide = true },
		"words not wide":        func(d *description.Description) { p := home(d).Parameters; p[len(p)-1].Wide = false },
		"order's column":        func(d *description.Description) { home(d).Orders[1].Column = -1 },
		"order wide":            func(d *description.Description) { home(d).Orders[1].Wide = true },
		"no default order":      func(d *description.Description) { home(d).Orders = home(d).Orders[1:] },
		"facet":                 func(d *description.Description) { home(d).Facets[0].Column = 99 },
		"facet twice":           func(d *description.Description) { home(d).Facets[1] = home(d).Facets[0] },
		"stats":                 func(d *description.Description) { home(d).Stats[0] = 1 },
		"join's table":          func(d *description.Description) { home(d).With[0].Table = 99 },
		"join's column":         func(d *description.Description) { home(d).With[0].By = 99 },
		"join of other types":   func(d *description.Description) { home(d).With[0].By = 1 },
		"join's order":          func(d *description.Description) { home(d).With[1].Order = -1 },
		"join's name":           func(d *description.Description) { home(d).With[0].Name = "title" },
		"too many columns": func(d *description.Description) {
			for n := range 70 {
				home(d).Columns = append(home(d).Columns, description.Column{Attribute: int16(100 + n), Name: fmt.Sprint(n), Type: plain(description.Integer), Uses: []description.Use{}})
			}
		},
		"a column for nothing": func(d *description.Description) {
			home(d).Columns = append(home(d).Columns, description.Column{Attribute: 100, Name: "x", Type: plain(description.Integer), Uses: []description.Use{}})
		},
	} {
		d := good(t)
		damage(d)
		if _, err := description.Decode(d.Encode()); err == nil {
			t.Errorf("%s: not refused", name)
		}
	}
	text := string(good(t).Encode())
	for name, damaged := range map[string]string{
		"empty": "", "null": "null", "a list": "[]", "cut off": text[:len(text)-1], "more": text + " ", "twice": text + text,
		"unknown member": strings.Replace(text, `"site"`, `"sight"`, 1), "blank": strings.Replace(text, `"site":`, `"site": `, 1),
		"capital": strings.Replace(text, `"site":`, `"Site":`, 1), "null table": strings.Replace(text, `"tables":[`, `"tables":[null,`, 1),
	} {
		if _, err := description.Decode([]byte(damaged)); err == nil {
			t.Errorf("%s: not refused", name)
		}
	}
	_, err := description.Decode([]byte(strings.Replace(text, `"format":4`, `"format":3`, 1)))
	if !errors.Is(err, description.ErrFormat) {
		t.Errorf("another format: %v", err)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(good(f).Encode())
	f.Add([]byte(`{"format":4,"tables":[{"columns":[{}]}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		d, err := description.Decode(text)
		if err != nil {
			return
		}
		if !bytes.Equal(d.Encode(), text) || !json.Valid(text) {
			t.Fatalf("%s is read as what is %s", text, d.Encode())
		}
	})
}
