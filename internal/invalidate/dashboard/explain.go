package dashboard

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/freshlist/freshlist/internal/invalidate/explain"
	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/rediscache"
	"github.com/freshlist/freshlist/internal/schema"
	"github.com/freshlist/freshlist/internal/session"
)

// The limits of an explanation.
const (
	addressTimeout   = 5 * time.Second
	statementTimeout = 15 * time.Second // PostgreSQL ends the statement itself sooner
	maxAddress       = 8 << 10
	maxBody          = 64 << 10
	maxQuestion      = 8 << 20
	sparedNamed      = 20
	purgedNamed      = 100
)

// explained is what is said of an address or of a statement.
type explained struct {
	Fault     string
	Address   *explain.Address
	Statement *explain.Statement
	Gone      []explainedQuery
	Stayed    []explainedQuery
	MoreGone  int
	Reasons   []reasonCount
}

type explainedQuery struct{ Query, Why string }

type reasonCount struct {
	Reason string
	Count  int
}

// explainURL answers what is known of an address: as HTML for the page, else as JSON.
func (d *Dashboard) explainURL(w http.ResponseWriter, r *http.Request) {
	e := d.explainAddress(r.Context(), strings.TrimSpace(r.URL.Query().Get("url")))
	status := http.StatusOK
	if e.Fault != "" {
		status = http.StatusUnprocessableEntity
	}
	answer(w, r, status, e, e.Address)
}

func (d *Dashboard) explainAddress(ctx context.Context, address string) *explained {
	switch {
	case address == "":
		return &explained{Fault: "Give an address, such as /v1/properties or http://127.0.0.1:8080/properties/17."}
	case len(address) > maxAddress:
		return &explained{Fault: "The address is longer than 8 KiB."}
	}
	ctx, cancel := context.WithTimeout(ctx, addressTimeout)
	defer cancel()
	e := &explained{Fault: "Too many ask at once; try again."}
	withSlot(ctx, d.slots, func() {
		var a explain.Address
		err := d.withSite(ctx, d.DatabaseURL, func(_ *pgx.Conn, site *listing.Site) (err error) {
			a, err = explain.URL(ctx, site, d.cache(), address)
			return err
		})
		if e.Fault = fault(err); err == nil {
			e.Address = &a
		}
	})
	return e
}

// explainSQL tries a statement, which is rolled back.
func (d *Dashboard) explainSQL(w http.ResponseWriter, r *http.Request) {
	if no := d.mayTry(r); no != nil {
		refuse(w, r, no)
		return
	}
	var asked struct {
		SQL string `json:"sql"`
	}
	body := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	body.DisallowUnknownFields()
	if err := body.Decode(&asked); err != nil || body.More() {
		answer(w, r, http.StatusBadRequest, &explained{Fault: `Send {"sql": "..."}, of at most 64 KiB.`}, nil)
		return
	}
	select {
	case d.trying <- struct{}{}:
		defer func() { <-d.trying }()
	default:
		w.Header().Set("Retry-After", "1")
		answer(w, r, http.StatusServiceUnavailable, &explained{Fault: "Another statement is being tried; try again."}, nil)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), statementTimeout)
	defer cancel()
	var s explain.Statement
	err := d.withSite(ctx, d.OwnerURL, func(conn *pgx.Conn, site *listing.Site) (err error) {
		s, err = explain.SQL(ctx, conn, site, asked.SQL, sparedNamed, explain.Leader(d.Index), explain.Registrations(d.cache()))
		return err
	})
	if err != nil {
		answer(w, r, http.StatusUnprocessableEntity, &explained{Fault: fault(err)}, nil)
		return
	}
	d.Log.InfoContext(ctx, "a statement was tried on the dashboard and rolled back", "peer", r.RemoteAddr, "rows", s.Rows, "purged", s.Purged)
	answer(w, r, http.StatusOK, ofStatement(&s), &s)
}

// answerQuestion says for invalidator explain --sql what some changes would purge: the leader has the
// index of all live queries at hand.
func (d *Dashboard) answerQuestion(w http.ResponseWriter, r *http.Request) {
	if no := d.mayAsk(r); no != nil {
		refuse(w, r, no)
		return
	}
	var q explain.Question
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxQuestion)).Decode(&q); err != nil {
		answer(w, r, http.StatusBadRequest, &explained{Fault: "the question cannot be read, or is longer than 8 MiB"}, nil)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), statementTimeout)
	defer cancel()
	e := &explained{Fault: "Too many ask at once; try again."}
	var v explain.Verdict
	withSlot(ctx, d.trying, func() {
		var err error
		v, err = explain.Leader(d.Index)(ctx, nil, q)
		e.Fault = fault(err)
	})
	if e.Fault != "" {
		answer(w, r, http.StatusServiceUnavailable, e, nil)
		return
	}
	answer(w, r, http.StatusOK, e, &v)
}

func ofStatement(s *explain.Statement) *explained {
	e := &explained{Statement: s}
	for _, q := range s.Queries {
		switch {
		case !q.Purged:
			e.Stayed = append(e.Stayed, explainedQuery{q.Query, q.Why})
		case len(e.Gone) < purgedNamed:
			e.Gone = append(e.Gone, explainedQuery{q.Query, q.Why})
		}
	}
	e.MoreGone = s.Purged - len(e.Gone)
	for reason, n := range s.Because {
		e.Reasons = append(e.Reasons, reasonCount{reason, n})
	}
	slices.SortFunc(e.Reasons, func(a, b reasonCount) int { return b.Count - a.Count })
	return e
}

// refuse answers a request that may not be.
func refuse(w http.ResponseWriter, r *http.Request, no *refusal) {
	if no.status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	answer(w, r, no.status, &explained{Fault: no.detail}, nil)
}

// withSite calls do with a connection to PostgreSQL and the description that is installed there.
func (d *Dashboard) withSite(ctx context.Context, url string, do func(*pgx.Conn, *listing.Site) error) error {
	conn, err := session.For("freshlist-dashboard").Connect(ctx, url)
	if err != nil {
		d.Log.WarnContext(ctx, "the dashboard cannot connect to PostgreSQL", "error", err)
		return errors.New("PostgreSQL cannot be reached; the invalidator's log says why")
	}
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = conn.Close(closing)
	}()
	described, err := schema.ReadDescription(ctx, conn)
	if err != nil {
		return err
	}
	return do(conn, listing.NewSite(described))
}

// fault is an error in words for the page; "" for none.
func fault(err error) string {
	switch {
	case err == nil:
		return ""
	case rediscache.Unreachable(err):
		return "Redis does not answer."
	case errors.Is(err, context.DeadlineExceeded):
		return "It took too long."
	}
	return fmt.Sprint(err)
}

// answer answers with a part of the page, or with JSON for who asks for that.
func answer(w http.ResponseWriter, r *http.Request, status int, e *explained, found any) {
	if strings.Contains(r.Header.Get("Accept"), "text/html") {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; sandbox")
		w.WriteHeader(status)
		_, _ = w.Write(render("explained", e))
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if e.Fault != "" {
		w.Header().Set("Content-Type", "application/problem+json")
		found = map[string]any{"title": http.StatusText(status), "status": status, "detail": e.Fault}
	}
	w.WriteHeader(status)
	out := json.NewEncoder(w)
	out.SetIndent("", "  ")
	_ = out.Encode(found)
}
