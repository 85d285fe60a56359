package description

import (
	"fmt"
	"math/rand/v2"
	"os"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/freshlist/freshlist/db"
)

// What is accepted, another library reads alike: of malformed YAML, none guesses what the
// user meant. Files are changed a little at random.
func TestOtherReadersAgree(t *testing.T) {
	t.Parallel()
	var files []string
	for _, name := range []string{"good", "aliases", "warnings"} {
		text, err := os.ReadFile("testdata/files/" + name + ".yaml")
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, string(text))
	}
	files = append(files, db.Listings)
	random := rand.New(rand.NewPCG(1, 2))
	accepted := 0
	for range 1000 {
		text := changed(random, files[random.IntN(len(files))])
		if _, faults := Parse("f", text); len(faults) > 0 {
			if said := faults.Error(); strings.Contains(said, "runtime error") {
				t.Errorf("%s\n%s", text, said)
			}
			continue
		}
		accepted++
		r := reporter{source: newSource("f", text)}
		ours := r.readTree(text)
		var theirs yaml.Node
		if err := yaml.Unmarshal([]byte(text), &theirs); err != nil {
			t.Errorf("accepted is what another library refuses: %v\n%s", err, text)
		} else if a, b := valueOf(ours), otherValue(&theirs); !reflect.DeepEqual(a, b) {
			t.Errorf("%s\nis read as\n%v\nby another library as\n%v", text, a, b)
		}
	}
	if accepted < 100 {
		t.Errorf("only %d files were accepted", accepted)
	}
}

// changed inserts, removes and replaces a few characters.
func changed(random *rand.Rand, text string) string {
	pieces := []string{
		" ", "  ", "\n", ":", ": ", ",", "{", "}", "[", "]", "#", " #", "- ", "'", "\"", "|", ">", "a", "1", "true", "~", "null", "\\", "*", "&a ", "!", "%", "é", "\t",
		"''", "a: b", "\n\n", "x", "@", "`", "- a",
	}
	for range 1 + random.IntN(2) {
		from := random.IntN(len(text))
		to := min(len(text), from+random.IntN(4))
		piece := ""
		if random.IntN(3) > 0 {
			piece = pieces[random.IntN(len(pieces))]
		}
		text = text[:from] + piece + text[to:]
	}
	return text
}

// valueOf and otherValue return a value in a form in which the two can be compared.
func valueOf(n *node) any {
	switch n.kind {
	case nullNode:
		return nil
	case mappingNode:
		m := map[string]any{}
		for _, x := range n.members {
			m[x.name.text] = valueOf(x.value)
		}
		return m
	case sequenceNode:
		list := []any{}
		for _, x := range n.items {
			list = append(list, valueOf(x))
		}
		return list
	}
	return fmt.Sprintf("%s %s", n.kind, n.text)
}

func otherValue(n *yaml.Node) any {
	switch n.Kind {
	case yaml.DocumentNode:
		return otherValue(n.Content[0])
	case yaml.AliasNode:
		return otherValue(n.Alias)
	case yaml.MappingNode:
		m := map[string]any{}
		for i := 0; i < len(n.Content); i += 2 {
			m[n.Content[i].Value] = otherValue(n.Content[i+1])
		}
		return m
	case yaml.SequenceNode:
		list := []any{}
		for _, x := range n.Content {
			list = append(list, otherValue(x))
		}
		return list
	}
	switch n.ShortTag() {
	case "!!null":
		return nil
	case "!!bool":
		flag, _ := strconv.ParseBool(strings.ToLower(n.Value))
		return fmt.Sprintf("%s %t", boolNode, flag)
	case "!!int", "!!float":
		return fmt.Sprintf("%s %s", numberNode, n.Value)
	}
	return fmt.Sprintf("%s %s", textNode, n.Value)
}
