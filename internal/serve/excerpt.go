package serve

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/freshlist/freshlist/internal/description"
	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/serve/readthrough"
	"github.com/freshlist/freshlist/internal/serve/render"
)

// excerpt is what a request wants besides its query: only some members of each row, and how many
// rows there are on all pages. Redis knows nothing of it. There are the whole answer, and the summary
// of the same filter; the excerpt is made of them, and so is as fresh as they are.
type excerpt struct {
	fields listing.Fields
	count  bool
}

// excerpt reads the parameters of a list that say which excerpt is wanted.
func (t tableRoutes) excerpt(values url.Values) (excerpt, listing.Faults) {
	fields, faults := t.table.ParseFields(values, listing.PageKind)
	count, more := t.table.ParseCount(values)
	return excerpt{fields, count}, append(faults, more...)
}

// unwatched says that a stream is of whole answers.
func (e excerpt) unwatched() (faults listing.Faults) {
	const detail = "must be absent: a stream of changes is of the whole answer"
	if e.fields != nil {
		faults = append(faults, listing.Fault{Name: description.ParamFields, Detail: detail})
	}
	if e.count {
		faults = append(faults, listing.Fault{Name: description.ParamCount, Detail: detail})
	}
	return faults
}

// take makes an excerpt of the answer to a request. That there is nothing is left as it is. What is
// made of two queries is not kept in this process: a purge of either would have to remove it.
func (t tableRoutes) take(ctx context.Context, e excerpt, req readthrough.Request, a *readthrough.Answer) (taken render.Excerpt, err error) {
	if e.fields == nil && !e.count || a.Status != http.StatusOK {
		return taken, nil
	}
	taken.Fields = e.fields
	if e.count {
		a.Until = time.Time{}
		if taken.Count, err = t.count(ctx, req); err != nil {
			return taken, err
		}
	}
	of := taken.OfPage
	if req.Query.Kind == listing.RowKind {
		of = taken.OfRow
	}
	body, err := of(a.Body)
	a.Body, a.ETag, a.Gzip = string(body), readthrough.ETag(body), readthrough.Compress(body)
	return taken, err
}

// count asks the summary of a page's filter how many rows there are.
func (t tableRoutes) count(ctx context.Context, req readthrough.Request) (*int64, error) {
	req.Query = listing.Query{Table: t.table, Kind: listing.SummaryKind, Filter: req.Query.Filter}
	summary, err := t.Reads.Get(ctx, req)
	if err != nil {
		return nil, err
	}
	n, err := render.CountOf(summary.Body)
	return &n, err
}
