package browser

import (
	"compress/gzip"
	"io"
	"os"
	"sync"
)

// axe is axe-core 4.10.3 (MPL-2.0, testdata/axe.LICENSE), as its package on npm has it, compressed.
var axe = sync.OnceValues(func() (string, error) {
	file, err := os.Open("testdata/axe.min.js.gz")
	if err != nil {
		return "", err
	}
	defer file.Close()
	script, err := gzip.NewReader(file)
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(script)
	return string(text), err
})

// accessible fails for everything that axe finds on the page.
func (b *tab) accessible(what string) {
	b.Helper()
	script, err := axe()
	if err != nil {
		b.Fatal(err)
	}
	b.run(script+"\n;true", nil)
	var violations []string
	b.run(`axe.run(document, { resultTypes: ['violations'] }).then((r) => r.violations.flatMap((v) => v.nodes.map((n) => v.id + ': ' + n.html.slice(0, 200) + ' ' + n.failureSummary)))`, &violations)
	for _, v := range violations {
		b.Errorf("%s: %s", what, v)
	}
}
