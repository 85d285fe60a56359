package deployment

import (
	"context"
	"log/slog"
	"net"
	"sync/atomic"
	"time"

	"github.com/freshlist/freshlist/internal/cachestate"
	"github.com/freshlist/freshlist/internal/rediscache"
	"github.com/freshlist/freshlist/internal/serve"
)

// Server is an API process's server on a loopback address, with its subscription to purges.
type Server struct {
	*API
	*serve.Server
	URL string

	stop func() error
}

// Serve starts the server of an API process, after changes to its options. It ends with the
// test.
func (a *API) Serve(changes ...func(*serve.Options)) *Server {
	d := a.d
	d.Helper()
	log := slog.New(slog.DiscardHandler)
	o := serve.Options{
		Site: d.Site, Reads: a.Cache, Timeout: patience, L1MaxBytes: 1 << 20, L1Life: d.Bound + patience,
		Ready:   func(context.Context) error { return nil },
		State:   cachestate.New(log, time.Now),
		Examine: a.Examine,
		Streams: serve.Streams{Max: 100, AtOnce: 4, Bound: d.Bound, Proved: a.Proved},
		KeyspaceStats: func(context.Context) (rediscache.KeyspaceStats, error) {
			return rediscache.KeyspaceStats{}, nil
		},
		Metrics: a.Metrics, Log: log,
	}
	for _, change := range changes {
		change(&o)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	d.Must(err)
	s := &Server{API: a, Server: serve.New(o), URL: "http://" + l.Addr().String()}
	unsubscribe := d.Subscribe(s.PurgeSubscriber())
	ctx, cancel := context.WithCancel(context.WithoutCancel(d.Context()))
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, l, patience) }()
	stopped := false
	s.stop = func() error {
		if stopped {
			return nil
		}
		stopped = true
		cancel()
		err := <-done
		unsubscribe()
		s.Close()
		return err
	}
	d.Cleanup(func() { _ = s.stop() })
	return s
}

// Stop ends the server as SIGTERM does, and returns what Run does.
func (s *Server) Stop() error { return s.stop() }

// Subscribe passes the purges of the deployment on until the function that it returns is called.
// It returns once they arrive.
func (d *Deployment) Subscribe(to rediscache.PurgeSubscriber) (stop func()) {
	d.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(d.Context()))
	rdb := d.Client(redisBudget)
	noting := &noted{PurgeSubscriber: to}
	done := make(chan struct{})
	go func() {
		defer close(done)
		rediscache.Subscribe(ctx, rdb, d.Space, noting)
	}()
	d.Await("purges to be heard", noting.connected.Load)
	return func() {
		cancel()
		<-done
	}
}

// noted notes whether purges arrive.
type noted struct {
	rediscache.PurgeSubscriber
	connected atomic.Bool
}

func (n *noted) Connected(connected bool) {
	n.PurgeSubscriber.Connected(connected)
	n.connected.Store(connected)
}
