package render

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"net/http"
	"path"
	"strings"
	"time"
)

// StaticPath is where StaticHandler belongs: the pages link their files there.
const StaticPath = "/static/"

//go:embed static
var staticFiles embed.FS

// assets holds the static files by the name that they are written under.
var assets = readAssets("favicon.svg", "freshlist.css", "freshlist.js", "live.js")

// asset is one static file. Its address holds a hash of its content, so that it
// may be kept for ever: another content has another address.
type asset struct {
	url       string // under StaticPath
	hash      string
	mediaType string
	content   []byte
	gzip      []byte // content compressed
}

func readAssets(names ...string) map[string]asset {
	files := make(map[string]asset, len(names))
	for _, name := range names {
		content, err := staticFiles.ReadFile("static/" + name)
		if err != nil {
			panic("render: read static file: " + err.Error())
		}
		files[name] = newAsset(name, content)
	}
	return files
}

func newAsset(name string, content []byte) asset {
	sum := sha256.Sum256(content)
	hash := hex.EncodeToString(sum[:6])
	ext := path.Ext(name)
	return asset{
		url:       StaticPath + strings.TrimSuffix(name, ext) + "." + hash + ext,
		hash:      hash,
		mediaType: mediaType(ext),
		content:   content,
		gzip:      compressed(content),
	}
}

// compressed is done once, at the start, as tightly as can be.
func compressed(content []byte) []byte {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err == nil {
		_, err = w.Write(content)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		panic("render: compress a static file: " + err.Error()) // a bytes.Buffer takes everything
	}
	return b.Bytes()
}

// mediaType does not ask the machine's own table, which package mime does.
func mediaType(ext string) string {
	switch ext {
	case ".css":
		return "text/css; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	default:
		return "image/svg+xml"
	}
}

// assetURL is the address of a static file; the templates use it.
func assetURL(name string) string { return assets[name].url }

// StaticHandler serves the static files at their addresses under StaticPath.
// Their names change with their content, so caches keep them without asking. acceptsGzip tells from
// the fields of Accept-Encoding whether a client wants them compressed.
func StaticHandler(acceptsGzip func(fields []string) bool) http.Handler {
	byURL := make(map[string]asset, len(assets))
	for _, a := range assets {
		byURL[a.url] = a
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		a, ok := byURL[r.URL.Path]
		if !ok {
			noSuchFile(w, r)
			return
		}
		h.Set("Content-Type", a.mediaType)
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
		h.Set("ETag", `"`+a.hash+`"`)
		h["Vary"] = append(h["Vary"], "Accept-Encoding")
		content := a.content
		if acceptsGzip(r.Header["Accept-Encoding"]) {
			content = a.gzip
			h.Set("Content-Encoding", "gzip")
			h.Set("ETag", `"`+a.hash+`-gzip"`)
		}
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
	})
}

func noSuchFile(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", JSON.ContentType(http.StatusNotFound))
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusNotFound)
	if r.Method != http.MethodHead {
		_, _ = w.Write(Error(JSON, Problem{Status: http.StatusNotFound, Detail: "There is no such file."}))
	}
}
