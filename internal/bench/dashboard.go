package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// dashboardQueries is how many queries are live while somebody looks at the dashboard.
const dashboardQueries = 10_000

// dashboard measures what an open dashboard costs the invalidator while edits come. Each
// measurement has a process of its own, since one goes on for a minute after the last look.
func (b *bench) dashboard(ctx context.Context) error {
	api, err := b.api(ctx)
	if err != nil {
		return err
	}
	p, err := b.newProber(ctx, api)
	if err != nil {
		return err
	}
	defer p.close()
	var live sample
	share := func(open bool) func() (float64, error) {
		return func() (float64, error) {
			share, err := b.shareBesideEdits(ctx, p, api, open)
			if err != nil {
				return 0, err
			}
			n, err := b.live(ctx)
			live = append(live, float64(n))
			return share, err
		}
	}
	shares, err := alternate(b.times(5, 1), share(true), share(false))
	if err != nil {
		return err
	}
	b.add(fmt.Sprintf("open dashboard beside %d edits/s, share of one core", editsASecond), percent, shares.less(), atMost(2),
		"%.1f %% with, %.1f %% without; %.0f queries live at the end", shares.ours.median(), shares.theirs.median(), live.median())
	return nil
}

// shareBesideEdits returns how much of a core an invalidator takes while listings are edited and what
// that purges is read again, in percent.
func (b *bench) shareBesideEdits(ctx context.Context, p *prober, api *process, open bool) (share float64, err error) {
	invalidator, err := b.invalidator(ctx)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, invalidator.stop()) }()
	if err := b.fill(ctx, invalidator, api, b.times(dashboardQueries, 500)); err != nil {
		return 0, err
	}
	if open {
		closeIt, err := openDashboard(ctx, invalidator)
		if err != nil {
			return 0, err
		}
		defer func() { err = errors.Join(err, closeIt()) }()
	}
	stop, err := p.refill(api)
	if err != nil {
		return 0, err
	}
	err = b.whileEdited(ctx, captured, editPrice, func() error {
		if err := pause(ctx, 3*b.slice()); err != nil { // until what the beginning costs has been counted
			return err
		}
		var err error
		share, err = invalidator.shareOfCore(ctx, func() error { return pause(ctx, 12*b.slice()) })
		return err
	})
	return share, errors.Join(err, stop())
}

// openDashboard asks for what a browser asks for, and reads what comes until the function that it
// returns is called, which returns an error if that was not to the end.
func openDashboard(ctx context.Context, invalidator *process) (closeIt func() error, err error) {
	ctx, cancel := context.WithCancel(ctx)
	transport := &http.Transport{}
	ask := func(path string) (io.ReadCloser, error) {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+invalidator.addr+path, nil)
		if err != nil {
			return nil, err
		}
		response, err := transport.RoundTrip(request)
		if err == nil && response.StatusCode != http.StatusOK {
			err = errors.Join(fmt.Errorf("the dashboard answers %s with %s", path, response.Status), response.Body.Close())
		}
		if err != nil {
			return nil, err
		}
		return response.Body, nil
	}
	page, err := ask("/")
	if err == nil {
		_, err = io.Copy(io.Discard, page)
		err = errors.Join(err, page.Close())
	}
	var stream io.ReadCloser
	if err == nil {
		stream, err = ask("/live")
	}
	if err != nil {
		cancel()
		return nil, err
	}
	done := make(chan error, 1)
	go func() {
		defer stream.Close()
		defer transport.CloseIdleConnections()
		n, err := io.Copy(io.Discard, stream)
		switch {
		case ctx.Err() == nil:
			done <- errors.Join(errors.New("the stream of the dashboard has ended"), err)
		case n < 10_000:
			done <- fmt.Errorf("the dashboard was sent only %d bytes", n)
		default:
			done <- nil
		}
	}()
	return func() error { cancel(); return <-done }, nil
}
