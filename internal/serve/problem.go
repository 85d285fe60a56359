package serve

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/serve/database"
	"github.com/freshlist/freshlist/internal/serve/render"
	"github.com/freshlist/freshlist/internal/session"
)

// problem is an error that knows its answer. Clients see all of it but the cause.
type problem struct {
	status  int
	detail  string
	faults  listing.Faults
	entered url.Values // of a list's page: the form's fields, shown again
	cause   error
}

// Error is for the log.
func (p *problem) Error() string {
	if p.cause != nil {
		return p.cause.Error()
	}
	text := http.StatusText(p.status)
	if p.detail != "" {
		text += ": " + p.detail
	}
	if len(p.faults) > 0 {
		text += ": " + p.faults.Error()
	}
	return text
}

// Unwrap returns the cause.
func (p *problem) Unwrap() error { return p.cause }

// badRequest says what is wrong with a request's parameters and headers.
func badRequest(faults listing.Faults) *problem {
	return &problem{
		status: http.StatusBadRequest,
		detail: "The request cannot be understood as it is; errors says why.",
		faults: faults,
	}
}

// notFound is the answer where there is nothing, and no query to ask for it.
func notFound() *problem {
	return &problem{status: http.StatusNotFound, detail: "There is nothing at this address."}
}

// notAllowed is the answer to a method that an address does not have.
func notAllowed() *problem {
	return &problem{status: http.StatusMethodNotAllowed, detail: "Allow lists the methods of this address."}
}

// problemOf is the one place where errors become answers. t is the table that was asked for,
// if one was. What it does not know is a fault of ours, of which the client learns nothing.
func problemOf(t *listing.Table, err error) *problem {
	var known *problem
	var rule *database.RuleError
	var misfit *database.MisfitError
	switch {
	case errors.As(err, &known):
		return known
	case errors.Is(err, echo.ErrNotFound), errors.Is(err, echo.ErrMethodNotAllowed): // what is an address, otherMethod knows
		return notFound()
	case errors.Is(err, database.ErrNotFound):
		return &problem{status: http.StatusNotFound, detail: "There is no such " + rowOf(t) + ".", cause: err}
	case errors.Is(err, database.ErrRefused):
		return &problem{
			status: http.StatusUnprocessableEntity,
			detail: "The database has refused the change, and nothing is changed: a trigger of the table did not let the " + rowOf(t) + " pass.",
			cause:  err,
		}
	case errors.As(err, &misfit): // before a rule: it may be what PostgreSQL says of a misfit
		return misfitProblem(misfit, err)
	case errors.As(err, &rule):
		return ruleProblem(t, rule, err)
	case errors.Is(err, database.ErrInProgress):
		return &problem{status: http.StatusConflict, detail: "A request with this Idempotency-Key is being answered. Try again in a moment.", cause: err}
	case errors.Is(err, database.ErrOtherRequest):
		return &problem{
			status: http.StatusUnprocessableEntity,
			detail: "The Idempotency-Key belongs to a request with another body.",
			faults: listing.Faults{{Name: "Idempotency-Key", Detail: "must be another one for another request, for 24 hours"}},
			cause:  err,
		}
	case errors.Is(err, database.ErrNoKeys):
		return &problem{
			status: http.StatusServiceUnavailable,
			detail: "This server cannot keep an Idempotency-Key: the command invalidator install makes the table for it. Without the header it creates the " + rowOf(t) + " each time.",
			cause:  err,
		}
	case errors.Is(err, database.ErrBusy):
		return unavailable("All database connections are in use.", err)
	case errors.Is(err, session.ErrEncoding):
		return unavailable("The database is not encoded in UTF8.", err)
	case errors.Is(err, database.ErrInRecovery):
		return unavailable("The database is a standby, which may be behind.", err)
	case errors.Is(err, database.ErrUnavailable), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return unavailable("The database did not answer in time.", err)
	default:
		return &problem{status: http.StatusInternalServerError, cause: err}
	}
}

// brokenRule says which columns of a body the table does not take.
func brokenRule(t *listing.Table, faults listing.Faults, cause error) *problem {
	return &problem{
		status: http.StatusUnprocessableEntity,
		detail: "The " + rowOf(t) + " breaks a rule of the table; errors says which.",
		faults: faults,
		cause:  cause,
	}
}

// rowOf is what a row of a table is called: property.
func rowOf(t *listing.Table) string {
	if t == nil {
		return "row"
	}
	return render.One(t)
}

// aRow is the same with its article.
func aRow(t *listing.Table) string { return render.Article(rowOf(t), "a") }

// ruleProblem says which rule PostgreSQL has found broken.
func ruleProblem(t *listing.Table, rule *database.RuleError, cause error) *problem {
	if len(rule.Columns) == 0 {
		return &problem{status: http.StatusUnprocessableEntity, detail: "The " + rowOf(t) + " " + rule.Detail + ".", cause: cause}
	}
	var faults listing.Faults
	for i, name := range rule.Columns {
		detail := rule.Detail
		if others := slices.Delete(slices.Clone(rule.Columns), i, i+1); len(others) > 0 {
			detail += ", together with " + strings.Join(others, " and ")
		}
		faults = append(faults, listing.Fault{Name: name, Detail: detail})
	}
	return brokenRule(t, faults, cause)
}

// misfitProblem says which columns are not as the description has them. Who runs the API
// finds the statement that mends them by the command that it names.
func misfitProblem(misfit *database.MisfitError, cause error) *problem {
	what := "The table " + misfit.Table.Relation.String() + " is missing; the command api migrate up makes that of the site that ships."
	switch n := len(misfit.Columns); {
	case n == 1:
		what = "The column " + misfit.Columns[0] + " does not fit"
	case n > 1:
		what = "The columns " + strings.Join(misfit.Columns, ", ") + " do not fit"
	}
	if len(misfit.Columns) > 0 {
		what += ": another type, or a value that cannot be shown exactly. The command invalidator install says how to mend the table."
	}
	return &problem{status: http.StatusServiceUnavailable, detail: what, cause: cause}
}

func unavailable(detail string, cause error) *problem {
	return &problem{status: http.StatusServiceUnavailable, detail: detail + " Try again in a moment.", cause: cause}
}

// retryAfter is how long a client of an answer 503 is asked to wait, in seconds.
const retryAfter = "1"

// unansweredStatus stands in the log and in the metrics for a request whose connection
// was closed without an answer; the number is nginx's.
const unansweredStatus = 499

// clientGone reports whether the client has closed its side of the connection.
func clientGone(r *http.Request) bool { return r.Context().Err() != nil }

// fail is Echo's error handler.
func (s *Server) fail(v *serving, err error, c echo.Context) {
	rec := c.Response().Writer.(*recorder)
	if clientGone(c.Request()) && errors.Is(err, context.Canceled) {
		return // nobody waits for an answer; finish closes the connection without one
	}
	if s.answeredAnew(v, err, rec, c.Request()) {
		return
	}
	t, _ := v.tableAt(c.Request().URL.Path)
	p := problemOf(t, err)
	rec.err = p.cause
	if p.status == http.StatusNotFound {
		rec.Header().Del(echo.HeaderAllow)
	}
	if rec.status == 0 { // else the answer has begun
		s.writeProblem(v, rec, c.Request(), p)
	}
}

// writeProblem answers with a problem, in the format of the address.
func (s *Server) writeProblem(v *serving, w http.ResponseWriter, r *http.Request, p *problem) {
	table, page := v.tableAt(r.URL.Path)
	format := formatOf(r, page)
	body := render.Error(format, render.Problem{
		Site: v.site, Table: table,
		Status: p.status, Detail: p.detail, Faults: p.faults, Entered: p.entered,
	})
	h := w.Header()
	switch p.status {
	case http.StatusUnauthorized:
		h.Set("WWW-Authenticate", "Bearer")
	case http.StatusServiceUnavailable:
		h.Set("Retry-After", retryAfter)
	}
	if format == render.HTML {
		s.shared.guardPage(h, v.policy)
	}
	h["Cache-Control"] = s.shared.noStore
	s.write(w, r, p.status, format.ContentType(p.status), body)
}

// write sends a body that was made for this request.
func (s *Server) write(w http.ResponseWriter, r *http.Request, status int, contentType string, body []byte) {
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // the client may be gone
	}
}

// formatOf tells in which format a request is answered that goes wrong: pages in
// HTML, the API in JSON, and an address that is neither as its visitor prefers.
func formatOf(r *http.Request, page bool) render.Format {
	api := strings.HasPrefix(r.URL.Path, "/v1/")
	if page || !api && strings.Contains(r.Header.Get("Accept"), "text/html") {
		return render.HTML
	}
	return render.JSON
}
