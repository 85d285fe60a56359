package pgtest

import (
	"context"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
)

// WriteOn executes the SQL of 1 at once, and then that of 2, 3 and so on beside the test, on a
// connection that nobody else uses meanwhile. It ends with the test, when that has failed, or when
// stop is called, which returns how many it has executed.
func WriteOn(t testing.TB, conn *pgx.Conn, sql func(n int) string) (stop func() int) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), sql(1)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	executed := make(chan int)
	go func() {
		n := 1
		for ; ctx.Err() == nil && !t.Failed(); n++ {
			if _, err := conn.Exec(context.WithoutCancel(ctx), sql(n+1)); err != nil {
				t.Error(err)
				break
			}
		}
		executed <- n
	}()
	stop = sync.OnceValue(func() int {
		cancel()
		return <-executed
	})
	t.Cleanup(func() { stop() }) // before the connection is closed
	return stop
}
