package cachestate_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/freshlist/freshlist/internal/cachestate"
)

// docs/operations.md has the table of reasons as the code has it.
func TestDocumentedTable(t *testing.T) {
	t.Parallel()
	want := "| reason | said by | what it means | what to do |\n|---|---|---|---|\n"
	for _, r := range cachestate.Reasons() {
		want += fmt.Sprintf("| `%s` | %s | %s | %s |\n", r, r.By(), r.Meaning(), r.Remedy())
	}
	document, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(document), want) {
		t.Errorf("docs/operations.md does not hold this table:\n%s", want)
	}
}
