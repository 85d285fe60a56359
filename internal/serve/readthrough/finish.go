package readthrough

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"sync"

	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/rediscache"
	"github.com/freshlist/freshlist/internal/serve/render"
)

// gzipAbove is the length in bytes from which a body is compressed: below it the
// answer fits one packet either way.
const gzipAbove = 1024

// ETag returns the entity tag, unquoted, of a body: 22 characters, the base64url
// form of the first 16 bytes of its SHA-256.
func ETag(body []byte) string {
	sum := sha256.Sum256(body)
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

// render makes the finished view of a queryset: body, entity tag and gzip.
func (c *Cache) render(f render.Format, qs listing.Queryset) rediscache.View {
	status, body := c.Render(f, qs)
	return rediscache.View{Status: status, ETag: ETag(body), Body: string(body), Gzip: Compress(body)}
}

var gzipWriters = sync.Pool{New: func() any { return gzip.NewWriter(nil) }}

// Compress returns the gzip of body, or "" if that would not pay.
func Compress(body []byte) string {
	if len(body) < gzipAbove {
		return ""
	}
	w := gzipWriters.Get().(*gzip.Writer)
	defer gzipWriters.Put(w)
	var b bytes.Buffer
	b.Grow(len(body) / 3)
	w.Reset(&b)
	_, _ = w.Write(body) // a bytes.Buffer takes everything
	_ = w.Close()
	return b.String()
}
