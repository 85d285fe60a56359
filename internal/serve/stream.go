package serve

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/freshlist/freshlist/internal/serve/readthrough"
	"github.com/freshlist/freshlist/internal/serve/watch"
)

// The times of a stream.
const (
	commentEvery = 10 * time.Second // from one comment to the next: proxies end what is silent
	streamWrite  = 10 * time.Second // a client that takes nothing for so long is dropped
	retryFirst   = time.Second      // a client whose stream breaks asks again after that
	retryDrained = 3 * time.Second  // or within that, at random, if all of them are ended
)

// newHub returns the hub of the streams of this process.
func (s *Server) newHub() *watch.Hub {
	c := watch.Config{
		Read: func(ctx context.Context, r readthrough.Request) (readthrough.Answer, error) {
			s.Metrics.StreamReads.Inc()
			return s.Reads.Get(ctx, r)
		},
		Heard:   s.Streams.Proved,
		Bound:   s.Streams.Bound,
		Timeout: s.Timeout,
		Most:    s.Streams.Max,
		AtOnce:  s.Streams.AtOnce,
	}
	if c.Heard == nil {
		c.Heard = func(context.Context) bool { return false }
	}
	if c.Bound == 0 {
		c.Bound = time.Second
	}
	return watch.New(c)
}

// stream answers with the changes of an answer, as server-sent events, until the client has
// gone. Nothing is kept for a client that is slow: it gets the latest state once it can.
func (t tableRoutes) stream(c echo.Context, of readthrough.Request) error {
	w, err := t.watched.Attach(of)
	switch {
	case errors.Is(err, watch.ErrFull):
		t.Metrics.StreamsRefused.Inc()
		return unavailable("As many streams of changes are open as WATCH_MAX allows.", err)
	case err != nil:
		return unavailable("The server is about to stop.", err)
	}
	defer w.Detach()
	r := c.Request()
	ctx, cancel := t.deadline(r)
	defer cancel()
	first, err := w.First(ctx)
	if errors.Is(err, watch.ErrEnded) || err == nil && t.Server.serving.Load() != t.serving {
		return unavailable("The description of the tables has just changed.", nil)
	}
	if err != nil {
		return err
	}
	cancel()
	t.Metrics.Streams.Add(1)
	defer t.Metrics.Streams.Add(-1)
	return t.sendEvents(c.Response().Writer.(*recorder), r, w, first)
}

// sendEvents sends the first state, and what comes after it. An error is the end of the
// connection, of which nobody is to be told.
func (s *Server) sendEvents(rec *recorder, r *http.Request, w *watch.Watcher, first watch.State) error {
	out := eventWriter{rec: rec, to: http.NewResponseController(rec)}
	_ = out.to.SetReadDeadline(time.Time{}) // those of the server are for whole requests and answers
	h := rec.Header()
	h["Content-Type"] = s.shared.stream
	h["Cache-Control"] = s.shared.noStore
	h["Vary"] = s.shared.vary
	h["X-Accel-Buffering"] = []string{"no"} // or nginx would wait for more
	rec.WriteHeader(http.StatusOK)
	out.retry(retryFirst)
	rec.answered = time.Now()
	out.state(first)

	every := s.Streams.Comment
	if every == 0 {
		every = commentEvery
	}
	comment := time.NewTicker(every)
	defer comment.Stop()
	for out.flush() {
		state, changed := w.State()
		if state != out.told {
			out.state(state)
			continue
		}
		select {
		case <-changed:
		case <-comment.C:
			out.buffer = append(out.buffer, ":\n\n"...)
		case <-w.Ended():
			out.retry(retryDrained/6 + rand.N(retryDrained*5/6))
			out.flush()
			return nil
		case <-r.Context().Done():
			return nil
		}
	}
	return nil
}

// eventWriter writes the events of one stream.
type eventWriter struct {
	rec    *recorder
	to     *http.ResponseController
	told   watch.State // what the client knows
	buffer []byte
}

// state appends what the client does not know yet of a state.
func (w *eventWriter) state(now watch.State) {
	known := w.told
	w.told = now
	if now.ETag != known.ETag {
		w.event("change")
	}
	switch was := known.Heard || known.ETag == ""; { // who knows nothing believes that changes are heard
	case was && !now.Heard:
		w.event("lost")
	case !was && now.Heard:
		w.event("heard")
	}
}

// event appends an event. All bear the entity tag, quoted as in the header ETag.
func (w *eventWriter) event(name string) {
	w.buffer = append(w.buffer, "event: "+name+"\nid: \""+w.told.ETag+"\"\ndata: {\"etag\": \"\\\""+w.told.ETag+"\\\"\"}\n\n"...)
}

// retry appends after which time the client should ask again once the stream has ended.
func (w *eventWriter) retry(after time.Duration) {
	w.buffer = append(append(append(w.buffer, "retry: "...), strconv.FormatInt(after.Milliseconds(), 10)...), "\n\n"...)
}

// flush sends what has been appended, and reports whether the client took it.
func (w *eventWriter) flush() bool {
	if len(w.buffer) == 0 {
		return true
	}
	_ = w.to.SetWriteDeadline(time.Now().Add(streamWrite))
	_, err := w.rec.Write(w.buffer)
	w.buffer = w.buffer[:0]
	return err == nil && w.to.Flush() == nil
}
