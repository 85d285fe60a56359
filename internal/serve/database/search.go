package database

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/freshlist/freshlist/internal/description"
	"github.com/freshlist/freshlist/internal/listing"
)

// A page of a search can be read in two ways: by walking along the order until enough rows are
// found, or by finding all rows and sorting them. PostgreSQL chooses by how many rows it takes to
// be found, and takes them to be spread evenly over the order. They often are not: a search for
// an expensive city, by price, would walk past most of the table. So a search that is thought to
// find few rows finds them first; another one walks first, but not far, and then finds them.
type way struct {
	walk      int  // at most so many rows along the order; 0: as far as it takes
	findFirst bool // all rows of the filter are found before they are put in order
}

const (
	fewFound  = 2_000   // rows: cheaper to find and sort than to think about
	mostFound = 200_000 // rows that are found and sorted; for more a walk is short
	mostWalk  = 20_000  // rows that a walk looks at before it is given up
	evenWalks = 4       // walks are so many times longer than they were if rows were spread evenly
)

// ways returns how a page is to be read: if the first way does not fill the page, by the second.
func ways(ctx context.Context, each runStatement, conn *pgx.Conn, q *listing.Query) ([]way, error) {
	if !slices.ContainsFunc(q.Filter, func(c listing.Condition) bool { return q.Table.Parameters[c.Parameter].Kind == description.Words }) {
		return []way{{}}, nil
	}
	found, all, err := estimate(ctx, each, conn, q)
	switch last := (way{findFirst: found <= mostFound}); {
	case err != nil:
		return nil, err
	case found <= fewFound:
		return []way{last}, nil
	default:
		walk := evenWalks * float64(q.Limit+1) * all / found
		return []way{{walk: int(min(walk, mostWalk))}, last}, nil
	}
}

// estimate asks PostgreSQL how many rows it expects a filter to find, and how many there are.
func estimate(ctx context.Context, each runStatement, conn *pgx.Conn, q *listing.Query) (found, all float64, err error) {
	var text []byte
	err = each(ctx, conn, estimateStatement(q), func(_ []pgconn.FieldDescription, values [][]byte) error {
		text = slices.Clone(values[0])
		return nil
	})
	if err != nil {
		return 0, 0, err
	}
	var plans []struct {
		Plan struct {
			Plans []struct {
				Rows float64 `json:"Plan Rows"`
			}
		}
	}
	if err := json.Unmarshal(text, &plans); err != nil {
		return 0, 0, fmt.Errorf("read PostgreSQL's estimate: %w", err)
	}
	if len(plans) != 1 || len(plans[0].Plan.Plans) != 2 {
		return 0, 0, nil // it knows without looking that nothing is found
	}
	return plans[0].Plan.Plans[0].Rows, max(plans[0].Plan.Plans[1].Rows, 1), nil
}

// estimateStatement has PostgreSQL plan a search of the whole filter, and a scan of the table.
func estimateStatement(q *listing.Query) *statement {
	s := &statement{table: q.Table}
	filter := s.filter(q.Filter)
	s.add("explain (format json) select 1 from ", s.relation(), filter.where(), " union all select 1 from ", s.relation())
	return s
}

// source returns what a part of a page is selected from, before it is put in order and cut: the rows
// of a filter that meet another condition, if there is one.
func (s *statement) source(q *listing.Query, w way, filter conditions, part string, order string) string {
	condition := conditions{}
	if part != "" {
		condition = conditions{part}
	}
	switch {
	case w.walk > 0: // the filter is held against what the walk meets
		columns := q.Columns() | q.Filter.Columns(q.Table)
		return "(select " + s.list(columns) + " from " + s.relation() + condition.where() + " order by " + order + " limit " + s.number(w.walk) + ") as walked" + filter.where()
	case w.findFirst:
		return "(select " + s.list(q.Columns()) + " from " + s.relation() + filter.where(condition...) + " offset 0) as found"
	}
	return s.relation() + filter.where(condition...)
}
