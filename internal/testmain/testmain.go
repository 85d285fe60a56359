// Package testmain ends a test process in order: it runs the tests, stops the
// servers that they shared, and fails if a goroutine is left behind.
package testmain

import (
	"fmt"
	"os"
	"slices"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

// atExit holds what ends the servers of this process. They are as global as the
// process that they serve, hence a package variable.
var atExit struct {
	sync.Mutex
	ends []func() error
}

// AtExit has Run call end after the tests, the latest first.
func AtExit(end func() error) {
	atExit.Lock()
	defer atExit.Unlock()
	atExit.ends = append(atExit.ends, end)
}

// pastClose is how a closed client of a Redis that was down looks once more, up to a second later.
var pastClose = goleak.IgnoreAnyFunction("github.com/redis/go-redis/v9/internal/pool.(*ConnPool).tryDial")

// Run runs the tests and exits. The options say which goroutines may be left.
func Run(m *testing.M, options ...goleak.Option) {
	code := m.Run()
	if err := stopAll(); err != nil {
		fmt.Fprintln(os.Stderr, "stop servers:", err)
		code = max(code, 1)
	}
	if code == 0 {
		if err := goleak.Find(append(options, pastClose)...); err != nil {
			fmt.Fprintln(os.Stderr, "goroutines left behind:", err)
			code = 1
		}
	}
	os.Exit(code)
}

func stopAll() (failed error) {
	atExit.Lock()
	defer atExit.Unlock()
	for _, end := range slices.Backward(atExit.ends) {
		if err := end(); err != nil && failed == nil {
			failed = err
		}
	}
	atExit.ends = nil
	return failed
}
