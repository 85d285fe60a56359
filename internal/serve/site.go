package serve

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/freshlist/freshlist/internal/description"
	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/serve/database"
	"github.com/freshlist/freshlist/internal/serve/render"
)

// serving is a site that is served, and the routes to it.
type serving struct {
	site    *listing.Site
	router  *echo.Echo
	methods methods
	openAPI []byte
	policy  []string // of the content of pages
}

// unknown reports whether it is not known yet what is listed.
func (v *serving) unknown() bool { return len(v.site.Tables) == 0 }

// Site returns the site that is served at present.
func (s *Server) Site() *listing.Site { return s.serving.Load().site }

// SetSite serves another site from now on. Requests that have begun end with the one that they
// began with. nil stands for a site of which nothing is known yet: its addresses answer 503.
func (s *Server) SetSite(site *listing.Site) {
	if site == nil {
		site = listing.NewSite(&description.Description{Site: description.Site{Name: "Freshlist"}})
	}
	v := &serving{site: site, openAPI: render.OpenAPI(site, !s.PrivateMetrics), policy: []string{render.ContentSecurityPolicy(site)}}
	v.router = s.routes(v)
	v.methods = methodsOf(v.router)
	s.serving.Store(v)
	if s.l1 != nil {
		s.l1.Clear() // nobody asks for what is in it any more
	}
	s.watched.EndPresent() // who watches asks again
}

// The times of looking for another description.
const (
	describeTimeout = 5 * time.Second
	describeEvery   = 10 * time.Second       // without a reason to
	describePause   = 100 * time.Millisecond // between two, for as many reasons as there may be
)

// OtherDescription has the installed description read soon: there is a sign that it is
// another one. It may be called often, and returns at once.
func (s *Server) OtherDescription() {
	if s.Describe == nil || !s.describing.CompareAndSwap(false, true) {
		return
	}
	s.background.Go(func() {
		defer s.describing.Store(false)
		s.describe(s.ended, time.Now())
		select {
		case <-s.ended.Done():
		case <-time.After(describePause):
		}
	})
}

// describe reads the installed description, unless that has been done since, and serves it if
// it is another one.
func (s *Server) describe(ctx context.Context, since time.Time) {
	if s.Describe == nil {
		return
	}
	s.reading.Lock()
	defer s.reading.Unlock()
	if s.readAt.After(since) {
		return
	}
	begun := time.Now()
	ctx, cancel := context.WithTimeout(ctx, describeTimeout)
	defer cancel()
	d, err := s.Describe(ctx)
	if err != nil {
		s.Log.WarnContext(ctx, "the description of the tables cannot be read", "error", err)
		return
	}
	s.readAt = begun
	if d.Identity() != s.Site().Identity {
		s.SetSite(listing.NewSite(d))
		s.Log.InfoContext(ctx, "serving by another description of the tables", "identity", s.Site().Identity)
	}
}

// watchDescription looks for another description now and then: with the cache off nothing else
// would tell, and at the start there may be none.
func (s *Server) watchDescription(ctx context.Context) {
	var last time.Time
	every(ctx, examineEvery, func() {
		if now := time.Now(); s.serving.Load().unknown() || now.Sub(last) >= describeEvery {
			last = now
			s.describe(ctx, now)
		}
	})
}

// answeredAnew answers a read again if it failed because its table is not as the description
// says, and another description is installed by now.
func (s *Server) answeredAnew(v *serving, err error, rec *recorder, r *http.Request) bool {
	var misfit *database.MisfitError
	if !errors.As(err, &misfit) || rec.status != 0 || r.Method != http.MethodGet && r.Method != http.MethodHead {
		return false
	}
	ctx, cancel := s.deadline(r)
	defer cancel()
	s.describe(ctx, time.Now())
	now := s.serving.Load()
	if now == v {
		return false
	}
	now.router.ServeHTTP(rec, r)
	return true
}

// unknownSite answers as long as it is not known what is listed.
func (s *Server) unknownSite(echo.Context) error {
	s.OtherDescription()
	return unavailable("The database has not told yet what is listed.", nil)
}
