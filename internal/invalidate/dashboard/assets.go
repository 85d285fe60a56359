package dashboard

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"html/template"
	"net/http"
	"path"
	"strings"
	"time"
)

//go:embed static templates
var files embed.FS

// staticPath is where the page's files are.
const staticPath = "/dashboard/"

// assets are the page's files by their addresses, which hold a hash of the content: they may be
// kept for ever.
var assets = readAssets("favicon.svg", "dashboard.css", "dashboard.js")

type asset struct {
	name    string
	content []byte
}

func readAssets(names ...string) map[string]asset {
	read := map[string]asset{}
	for _, name := range names {
		content, err := files.ReadFile("static/" + name)
		if err != nil {
			panic("dashboard: read a static file: " + err.Error())
		}
		sum := sha256.Sum256(content)
		ext := path.Ext(name)
		read[staticPath+strings.TrimSuffix(name, ext)+"."+hex.EncodeToString(sum[:6])+ext] = asset{name, content}
	}
	return read
}

// assetURL is the address of one of the page's files.
func assetURL(name string) string {
	for url, a := range assets {
		if a.name == name {
			return url
		}
	}
	panic("dashboard: no static file " + name)
}

var mediaTypes = map[string]string{".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}

func serveStatic(w http.ResponseWriter, r *http.Request) {
	a, ok := assets[r.URL.Path]
	if !ok {
		http.Error(w, "There is no such file.", http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", mediaTypes[path.Ext(a.name)])
	w.Header().Set("Cache-Control", "private, max-age=31536000, immutable")
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(a.content))
}

var templates = template.Must(template.New("").Funcs(template.FuncMap{
	"asset": assetURL, "ms": milliseconds, "num": number, "rate": ratePerSecond, "percent": percent, "ago": ago, "clock": clock, "plural": plural,
}).ParseFS(files, "templates/*.html"))

// render renders a template. It can fail only by a mistake in it, which the tests would show.
func render(name string, data any) []byte {
	var b bytes.Buffer
	if err := templates.ExecuteTemplate(&b, name, data); err != nil {
		panic("dashboard: execute template " + name + ": " + err.Error())
	}
	return b.Bytes()
}
