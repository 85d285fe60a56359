package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// The readers of Zipf ask for so many URLs while somebody edits so often.
const (
	zipfURLs     = 10_000
	zipfPages    = 4 // of each list
	editsASecond = 100
)

// The edits of a phase.
const (
	none = iota
	exact
	everything // each edit purges all that is cached
	unrelated  // edits that purge nothing, and as many reads without a cache as exact edits cost
	phases
)

// editPrice is one edit: of which listing, and by how much.
const editPrice = "update properties set price = price + $2 where id = $1"

// zipf measures reads of many URLs, some of them far more often than others, beside
// price edits all over the table: once as much is read again as is purged. What is purged
// is missed later, the less popular later still, so that a cache which has just been filled
// would make the first seconds look better than the rest.
func (b *bench) zipf(ctx context.Context) error {
	_, api, err := b.pair(ctx)
	if err != nil {
		return err
	}
	requests, err := b.popular(api, b.times(zipfURLs, 400))
	if err != nil {
		return err
	}
	l, err := dial(api.addr, connections) // only now: the API closes a connection that asks for nothing
	if err != nil {
		return err
	}
	defer l.close()
	uncached, err := b.api(ctx, "CACHE=off")
	if err != nil {
		return err
	}
	draw := newZipfian(len(requests), rand.New(rand.NewPCG(1, 2)))
	popular := func() []byte { return requests[draw.next()] }
	random := rand.New(rand.NewPCG(7, 8))
	span, settle := 4*b.slice(), 8*b.slice()

	var rates, hits [phases]sample
	var missed sample // a second, beside exact edits
	rounds := [phases]int{none: b.times(5, 1), exact: b.times(5, 1), everything: 1, unrelated: b.times(3, 1)}
	for round := range rounds[none] {
		for i := range phases {
			phase := (i + round) % phases
			if round >= rounds[phase] {
				continue
			}
			// Whatever the last phase has purged is there again, as far as it goes.
			if _, err := l.run(time.Now().Add(time.Minute), inOrder(requests)); err != nil {
				return err
			}
			t, err := b.beside(ctx, phase, func() (tally, error) {
				switch phase {
				case exact, everything:
					if _, err := l.run(time.Now().Add(settle), popular); err != nil {
						return tally{}, err
					}
				case unrelated:
					every := time.Duration(float64(time.Second) / max(missed[len(missed)-1], 1))
					stop, err := steadily(uncached, every, func() []byte { return requests[random.IntN(len(requests))] })
					if err != nil {
						return tally{}, err
					}
					t, err := l.run(time.Now().Add(span), popular)
					return t, errors.Join(err, stop())
				}
				return l.run(time.Now().Add(span), popular)
			})
			if err != nil {
				return err
			}
			if phase == exact {
				missed = append(missed, float64(t.answers-t.hits)/t.took.Seconds())
			}
			rates[phase] = append(rates[phase], t.rate())
			hits[phase] = append(hits[phase], float64(t.hits)/float64(t.answers))
		}
	}
	share := func(phase int) sample { return pairs{rates[phase], rates[none][:len(rates[phase])]}.ratio() }
	what := fmt.Sprintf("Zipf reads of %d URLs, %d edits/s", len(requests), editsASecond)
	b.add(what+": hit ratio", ratio, hits[exact], atLeast(.97), "%d rows, %d connections", b.rows, connections)
	b.add(what+": rate / without edits", ratio, share(exact), atLeast(.85), "%.0f/s, %.0f/s",
		rates[exact].median(), rates[none].median())
	b.add(what+" of another table, as many uncached reads: rate / without", ratio, share(unrelated), nil,
		"for comparison, all but the keeping coherent; %.0f uncached reads/s", missed.median())
	b.add(what+" that purge everything: hit ratio", ratio, hits[everything], nil, "for comparison")
	b.add(what+" that purge everything: rate / without edits", ratio, share(everything), nil,
		"for comparison; %.0f/s", rates[everything].median())
	return nil
}

// popular returns requests for so many URLs, pages of one list next to each other in
// no one's favour: which are asked for often is drawn.
func (b *bench) popular(api *process, urls int) ([][]byte, error) {
	l, err := dial(api.addr, 1)
	if err != nil {
		return nil, err
	}
	defer l.close()
	var targets []string
	for _, target := range filters(urls, "") {
		pages, err := follow(l, target, zipfPages)
		if err != nil {
			return nil, err
		}
		if targets = append(targets, pages...); len(targets) >= urls {
			break
		}
	}
	targets = targets[:min(urls, len(targets))]
	rand.New(rand.NewPCG(3, 4)).Shuffle(len(targets), func(i, j int) { targets[i], targets[j] = targets[j], targets[i] })
	return requestsOf(targets), nil
}

// beside has reads done while a client edits prices as the phase says.
func (b *bench) beside(ctx context.Context, phase int, reads func() (tally, error)) (t tally, err error) {
	if phase == none {
		return reads()
	}
	database, statement := captured, editPrice
	switch phase {
	case everything:
		statement = "with edited as (" + statement + " returning 1) select freshlist.properties_whole_table() from edited"
	case unrelated:
		database = untriggered
	}
	err = b.whileEdited(ctx, database, statement, func() (err error) {
		t, err = reads()
		return err
	})
	return t, err
}

// whileEdited does something while a client edits prices in a database.
func (b *bench) whileEdited(ctx context.Context, database, statement string, do func() error) error {
	return b.on(ctx, b.owner(database), func(conn *pgx.Conn) error {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		var failed error
		var wait sync.WaitGroup
		wait.Go(func() { failed = edit(ctx, conn, statement, b.rows) })
		err := do()
		cancel()
		wait.Wait()
		return errors.Join(err, failed)
	})
}

// edit changes prices of listings drawn from the whole table, until ctx is done.
func edit(ctx context.Context, conn *pgx.Conn, statement string, rows int) error {
	tick := time.NewTicker(time.Second / editsASecond)
	defer tick.Stop()
	random := rand.New(rand.NewPCG(5, 6))
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		_, err := conn.Exec(context.WithoutCancel(ctx), statement, 1+random.IntN(rows), 1+random.IntN(20_000))
		if err != nil {
			return err
		}
	}
}
