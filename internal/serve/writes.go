package serve

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"io"
	"mime"
	"net"
	"net/http"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/serve/database"
	"github.com/freshlist/freshlist/internal/serve/readthrough"
	"github.com/freshlist/freshlist/internal/serve/render"
)

// maxBody is the length of the longest body that is read.
const maxBody = 64 << 10

// Media types of bodies.
const (
	jsonType       = "application/json"
	mergePatchType = "application/merge-patch+json"
)

// create is POST /v1/T.
func (t tableRoutes) create(c echo.Context) error {
	key, faults := idempotencyKey(c.Request())
	if faults = append(faults, t.noQuery(c.Request())...); len(faults) > 0 {
		return badRequest(faults)
	}
	body, err := readBody(c.Response().Writer, c.Request())
	if err != nil {
		return err
	}
	fields, err := parseDraft(t.table, body, true)
	if err != nil {
		return err
	}
	ctx, cancel := t.deadline(c.Request())
	defer cancel()
	kept, err := t.createOnce(ctx, key, body, fields)
	if err != nil {
		return err
	}
	c.Response().Header().Set("Location", kept.Location)
	t.writeBody(c, http.StatusCreated, kept.Xid, []byte(kept.Body))
	return nil
}

// createOnce creates a row, or with a key that has been answered finds that answer.
func (t tableRoutes) createOnce(ctx context.Context, key string, body []byte, fields database.Fields) (database.Kept, error) {
	if key == "" {
		written, err := t.Writes.Create(ctx, t.table, fields)
		if err != nil {
			return database.Kept{}, err
		}
		return t.created(written), nil
	}
	sum := sha256.Sum256(body)
	return t.Writes.CreateOnce(ctx, t.table, fields, database.Once{Key: key, Request: hex.EncodeToString(sum[:]), Answer: t.created})
}

// created is the answer to a request that has created a row.
func (t tableRoutes) created(w database.Written) database.Kept {
	return database.Kept{Xid: w.Xid, Location: "/v1/" + t.queryOf(w.Row).String(), Body: string(t.body(w.Row))}
}

// maxKey is the length of the longest Idempotency-Key.
const maxKey = 255

// idempotencyKey reads the header of that name, "" for none: a text, in quotes as the IETF's draft has
// it, or without.
func idempotencyKey(r *http.Request) (key string, faults listing.Faults) {
	given := r.Header["Idempotency-Key"]
	if len(given) == 0 {
		return "", nil
	}
	key = given[0]
	if quoted, ok := strings.CutPrefix(key, `"`); ok {
		key, ok = strings.CutSuffix(quoted, `"`)
		if !ok {
			key = ""
		}
	}
	unfit := strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '"' || r == '\\' })
	if len(given) > 1 || key == "" || len(key) > maxKey || unfit {
		return "", listing.Faults{{
			Name: "Idempotency-Key", Detail: `must be 1 to 255 visible characters of ASCII other than " and \, such as a UUID, and may be in double quotes`,
		}}
	}
	return key, nil
}

// patch is PATCH /v1/T/{key}.
func (t tableRoutes) patch(c echo.Context) error {
	return t.change(c, http.StatusOK, func(key listing.Value, may database.Precondition) (database.Written, error) {
		body, err := readBody(c.Response().Writer, c.Request())
		if err != nil {
			return database.Written{}, err
		}
		fields, err := parseDraft(t.table, body, false)
		if err != nil {
			return database.Written{}, err
		}
		ctx, cancel := t.deadline(c.Request()) // the database's, so the body has been read
		defer cancel()
		return t.Writes.Patch(ctx, t.table, key, fields, may)
	})
}

// remove is DELETE /v1/T/{key}.
func (t tableRoutes) remove(c echo.Context) error {
	return t.change(c, http.StatusNoContent, func(key listing.Value, may database.Precondition) (database.Written, error) {
		ctx, cancel := t.deadline(c.Request())
		defer cancel()
		return t.Writes.Delete(ctx, t.table, key, may)
	})
}

// change answers a write of a row that has a key, which it reads with its preconditions.
func (t tableRoutes) change(c echo.Context, status int, write func(listing.Value, database.Precondition) (database.Written, error)) error {
	key, err := t.key(c)
	if err != nil {
		return err
	}
	p, faults := t.precondition(c.Request())
	if faults = append(faults, t.noQuery(c.Request())...); len(faults) > 0 {
		return badRequest(faults)
	}
	var may database.Precondition // nil: nothing is asked, and the row need not be read with its inner rows
	if p.asked() {
		may = p.met
	}
	written, err := write(key, may)
	switch {
	case errors.Is(err, database.ErrPrecondition):
		return p.problem(err)
	case err != nil:
		return err
	case status == http.StatusNoContent:
		t.writeToken(c, written.Xid)
		c.Response().Writer.WriteHeader(status)
	default:
		t.writeRow(c, status, written)
	}
	return nil
}

// requireToken rejects requests without the write token.
func (s *Server) requireToken(h echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if err := s.authorize(c.Request()); err != nil {
			return err
		}
		return h(c)
	}
}

// authorize returns nil if the request bears a write token. How long the comparison takes
// tells nothing of the tokens, not even their length.
func (s *Server) authorize(r *http.Request) error {
	if len(s.tokens) == 0 {
		return &problem{status: http.StatusForbidden, detail: "Writing is switched off: this server has no WRITE_TOKEN."}
	}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	given := sha256.Sum256([]byte(strings.TrimLeft(token, " ")))
	same := 0
	for i := range s.tokens {
		same |= subtle.ConstantTimeCompare(given[:], s.tokens[i][:])
	}
	if !strings.EqualFold(scheme, "Bearer") || same != 1 {
		return &problem{status: http.StatusUnauthorized, detail: "This needs the write token: Authorization: Bearer <token>."}
	}
	return nil
}

// hashTokens returns the hashes of tokens with commas between.
func hashTokens(tokens string) (hashes [][sha256.Size]byte) {
	for token := range strings.SplitSeq(tokens, ",") {
		if token != "" {
			hashes = append(hashes, sha256.Sum256([]byte(token)))
		}
	}
	return hashes
}

// queryOf returns the query of a row.
func (t tableRoutes) queryOf(r listing.Row) listing.Query {
	return t.table.RowQuery(r.Values[t.table.Key])
}

// body is a row's JSON.
func (t tableRoutes) body(r listing.Row) []byte {
	_, body := render.Body(render.JSON, listing.Queryset{Query: t.queryOf(r), Items: []listing.Row{r}})
	return body
}

// etag is the tag of a row's JSON, without quotes.
func (t tableRoutes) etag(r listing.Row) string { return readthrough.ETag(t.body(r)) }

// writeRow answers a write with the row as it is now.
func (t tableRoutes) writeRow(c echo.Context, status int, written database.Written) {
	t.writeBody(c, status, written.Xid, t.body(written.Row))
}

// writeBody answers a write, of a transaction, with a row's JSON.
func (s *Server) writeBody(c echo.Context, status int, xid uint64, body []byte) {
	s.writeToken(c, xid)
	c.Response().Header().Set("ETag", `"`+readthrough.ETag(body)+`"`)
	s.write(c.Response().Writer, c.Request(), status, jsonType, body)
}

// writeToken tells which transaction a reader can ask to see.
func (s *Server) writeToken(c echo.Context, xid uint64) {
	if s.Traces != nil {
		s.Traces.Wrote(c.Request().Context(), xid)
	}
	h := c.Response().Header()
	h.Set("Consistency-Token", strconv.FormatUint(xid, 10))
	h["Cache-Control"] = s.shared.noStore
}

// readBody reads a JSON body of at most maxBody bytes. A PATCH may name its
// format, merge patch; what it means is the same.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	patch := r.Method == http.MethodPatch
	if err != nil || media != jsonType && (!patch || media != mergePatchType) || r.Header.Get("Content-Encoding") != "" {
		accepted := "Accept-Post"
		types := jsonType
		if patch {
			accepted, types = "Accept-Patch", mergePatchType+", "+jsonType
		}
		w.Header().Set(accepted, types)
		return nil, &problem{status: http.StatusUnsupportedMediaType, detail: "Content-Type must be " + types + ", without a coding."}
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var tooLarge *http.MaxBytesError
	var network net.Error
	switch {
	case errors.As(err, &network) && network.Timeout():
		w.Header().Set("Connection", "close")
		return nil, &problem{status: http.StatusRequestTimeout, detail: "The body did not come in time.", cause: err}
	case errors.As(err, &tooLarge):
		return nil, &problem{status: http.StatusRequestEntityTooLarge, detail: "The body is longer than 64 KiB."}
	case err != nil:
		return nil, &problem{status: http.StatusBadRequest, detail: "The body ends early.", cause: err}
	}
	return body, nil
}
