package serve

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// The limits of a connection.
const (
	maxHeader         = 16 << 10
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 30 * time.Second // of a whole request, 64 KiB at most
	writeTimeout      = 60 * time.Second // from the end of its header to the end of its answer
	idleTimeout       = 2 * time.Minute
)

// headerSlop is what net/http reads beyond the limit it is given.
const headerSlop = 4 << 10

// Run serves l until ctx ends, and for DrainDelay longer, so that whoever asks /readyz stops sending
// requests before the listener closes. Then it lets the requests that have begun finish, for at
// most drain. It returns nil if all of them did.
func (s *Server) Run(ctx context.Context, l net.Listener, drain time.Duration) error {
	handler := http.Handler(s)
	if s.Traces != nil {
		handler = s.Traces.Handler(s)
	}
	server := &http.Server{
		Handler:           handler,
		ConnContext:       withConn,
		MaxHeaderBytes:    maxHeader - headerSlop,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		ErrorLog:          slog.NewLogLogger(s.Log.Handler(), slog.LevelWarn),
	}
	defer s.watch(context.WithoutCancel(ctx))() // it must be right while the last requests end, too
	served := make(chan error, 1)
	go func() { served <- server.Serve(bufferedListener{l}) }()
	select {
	case err := <-served:
		return fmt.Errorf("serve %s: %w", l.Addr(), err)
	case <-ctx.Done():
	}

	s.draining.Store(true)
	select {
	case err := <-served:
		return fmt.Errorf("serve %s: %w", l.Addr(), err)
	case <-time.After(s.DrainDelay):
	}
	s.watched.End()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), drain)
	defer cancel()
	err := server.Shutdown(ctx)
	if err != nil {
		err = errors.Join(fmt.Errorf("drain within %v: %w", drain, err), server.Close())
	}
	<-served
	return err
}
