package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/freshlist/freshlist/internal/local"
	"github.com/freshlist/freshlist/internal/local/run/trial"
)

// listenTrial opens the port of the page with buttons: on loopback, whatever the environment says.
func (s *stack) listenTrial() (net.Listener, error) {
	port, err := local.FreePort(trialPort)
	if err != nil {
		return nil, err
	}
	s.trial = fmt.Sprintf("127.0.0.1:%d", port)
	return net.Listen("tcp", s.trial)
}

// dashboardEnv is what only the invalidator is told: where the buttons are and, for a private
// database alone, who may try statements.
func (s *stack) dashboardEnv() []string {
	env := []string{"DASHBOARD_TRIAL_URL=http://" + s.trial}
	if s.private {
		env = append(env, "DASHBOARD_DATABASE_URL="+s.database.Owner)
	}
	return env
}

// serveTrial serves the page with buttons until everything stops. Only what make run has started
// itself can be stopped there, and only a private database be edited.
func (s *stack) serveTrial(l net.Listener) {
	bound, err := time.ParseDuration(os.Getenv("STALENESS_BOUND"))
	if err != nil {
		bound = time.Second
	}
	c := trial.Config{
		API: dialable(s.apiAddr), Dashboard: "http://" + dialable(s.invalidatorAddr), Bound: bound,
		Parts: map[string]trial.Part{"invalidator": s.invalidator},
	}
	if s.redisServer != nil {
		c.Parts["Redis"] = s.redisServer
	}
	if s.private {
		c.Database = s.database.Owner
	}
	page := trial.New(c)
	server := &http.Server{Handler: page, ReadHeaderTimeout: 5 * time.Second}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(l) // it ends by Close
	}()
	s.stops = append(s.stops, func() error {
		err := server.Close()
		page.Close()
		<-done
		return err
	})
}
