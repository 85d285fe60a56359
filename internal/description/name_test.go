package description_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/freshlist/freshlist/internal/description"
)

func TestParseRelation(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]description.RelationName{
		"homes":                 {"public", "homes"},
		"Homes":                 {"public", "homes"},
		"public.homes":          {"public", "homes"},
		`"Homes"`:               {"public", "Homes"},
		`Sales."Homes"`:         {"sales", "Homes"},
		`"a.b"."we""ird; drop"`: {"a.b", `we"ird; drop`},
		`"Odd ""schema".t`:      {`Odd "schema`, "t"},
		"élan.Éé":               {"élan", "Éé"}, // PostgreSQL folds only ASCII in UTF8
		"a$b":                   {"public", "a$b"},
		`"1"`:                   {"public", "1"},
		strings.Repeat("x", 63): {"public", strings.Repeat("x", 63)},
		"public._x":             {"public", "_x"},
	} {
		if got, err := description.ParseRelation(text); err != nil || got != want {
			t.Errorf("%s is read as %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", ".", "a.", ".a", "a.b.c", `"`, `"a`, `""`, `a."`, "1a", "a b", "a;b", "a-b", `"a"b`, " a", "a ", strings.Repeat("x", 64), "public;drop"} {
		if got, err := description.ParseRelation(text); err == nil {
			t.Errorf("%q is read as %+v", text, got)
		}
	}
}

// Every name can be spelled and read back.
func TestRelationNamesComeBack(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.StringN(1, 15, 60).Filter(func(s string) bool { return !strings.ContainsRune(s, 0) })
		n := description.RelationName{name.Draw(t, "schema"), name.Draw(t, "name")}
		for _, text := range []string{n.String(), n.SQL()} {
			if back, err := description.ParseRelation(text); err != nil || back != n {
				t.Fatalf("%q is spelled %s and read as %q, %v", n, text, back, err)
			}
		}
	})
}

func TestNearestRelation(t *testing.T) {
	t.Parallel()
	names := []description.RelationName{{"public", "homes"}, {"sales", "agents"}, {"public", "Photos"}, {"old", "homes"}}
	for wanted, want := range map[string]string{
		"hoems": "public.homes", "homess": "public.homes", "agents": "sales.agents", "photos": `public."Photos"`, "new.homes": "old.homes", "invoices": "", "publik.homes": "public.homes",
	} {
		n, err := description.ParseRelation(wanted)
		if err != nil {
			t.Fatal(err)
		}
		if got := description.NearestRelation(n, names); got != want {
			t.Errorf("nearest to %s is %q, want %q", wanted, got, want)
		}
	}
}
