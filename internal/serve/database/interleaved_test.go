package database_test

import (
	"fmt"
	"testing"

	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/listing/listingtest"
	"github.com/freshlist/freshlist/internal/pgtest"
	"github.com/freshlist/freshlist/internal/pgtest/migrated"
	"github.com/freshlist/freshlist/internal/serve/database"
)

// Something is read so many times, at least, while writers go on, and until it has been found in so
// many states.
const looks, states = 300, 30

// The epoch and its description are those of one marker, however often a new one is written.
func TestEpochAndDescriptionBelongTogether(t *testing.T) {
	t.Parallel()
	db := migrated.New(t)
	conn := connect(t, db.Superuser)
	setEpoch(t, conn, "0")
	reader := database.NewReader(open(t, db.API, 1), nothing)
	pgtest.WriteOn(t, conn, func(n int) string {
		return fmt.Sprintf("update freshlist.marker set epoch = '%[1]d', description = '%[1]d'", n)
	})
	different := map[string]bool{}
	for n := 0; (n < looks || len(different) < states) && !t.Failed(); n++ {
		s, err := reader.ServerState(t.Context(), listingtest.Site())
		if err != nil || s.Epoch != s.Description {
			t.Fatalf("epoch %q is said to be of description %q, %v", s.Epoch, s.Description, err)
		}
		different[s.Epoch] = true
	}
}

// A row and the rows inside it are of one snapshot, and so is what is said of that, however often
// a transaction changes all of them.
func TestInnerRowsAreOfTheSameSnapshot(t *testing.T) {
	t.Parallel()
	db, conn := joinedTables(t)
	reader := database.NewReader(open(t, db.API, 1), nothing)
	pgtest.WriteOn(t, conn, func(n int) string {
		return fmt.Sprintf("update %[2]s set title = '%[1]d', agent = 'Agent 1' where id = 1; update %[3]s set name = '%[1]d' where code = 'Agent 1'; "+
			"update %[4]s set url = '%[1]d' where home = 1", n, relation("homes"), relation("agents"), relation("photos"))
	})
	homes := listingtest.Homes()
	own := homes.RowQuery(listing.Value{Number: 1})
	different := map[string]bool{}
	for n := 0; (n < looks || len(different) < states) && !t.Failed(); n++ {
		qs, err := reader.Read(t.Context(), own)
		if err != nil || len(qs.Items) != 1 {
			t.Fatalf("%d homes, %v", len(qs.Items), err)
		}
		home := &qs.Items[0]
		title := home.Values[homes.Column("title")].Text
		different[title] = true
		for _, j := range own.Joins() {
			column := map[string]string{"agent": "name", "photos": "url"}[j.Name]
			if column == "" {
				continue
			}
			inner := home.InnerOf(j)
			if len(inner) == 0 {
				t.Fatalf("the home has no %s", j.Name)
			}
			for i := range inner {
				if got := inner[i].Values[j.Inner.Column(column)].Text; got != title {
					t.Fatalf("home %s shows %s %s", title, j.Name, got)
				}
			}
		}
	}
}
