package dashboard

import (
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// forBrowsers adds to an answer what keeps pages of other origins from it, and refuses requests
// under a name that may be somebody else's. A name of his own that leads to this address (DNS
// rebinding) would make any page in the operator's browser one of the same origin. A number or a
// name that nobody can register cannot be used so.
func (d *Dashboard) forBrowsers(h http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("Cache-Control", "no-store")
		header.Set("Referrer-Policy", "no-referrer")
		header.Set("Cross-Origin-Resource-Policy", "same-origin")
		header.Set("Cross-Origin-Opener-Policy", "same-origin")
		if !d.ownHost(r.Host) {
			http.Error(w, "This address is not known here by that name. Use its number, or add the name to DASHBOARD_HOSTS.", http.StatusMisdirectedRequest)
			return
		}
		h(w, r)
	})
}

// private are endings of names that nobody can register (RFC 6761, 6762, 8375, 9476; ICANN's internal).
var private = []string{".localhost", ".local", ".internal", ".test", ".home.arpa", ".alt"}

// ownHost reports whether the dashboard may be reached under the host of a request.
func (d *Dashboard) ownHost(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = strings.TrimSuffix(strings.TrimPrefix(hostport, "["), "]")
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	return host != "" && !strings.Contains(host, ".") || slices.Contains(d.Hosts, host) ||
		slices.ContainsFunc(private, func(ending string) bool { return strings.HasSuffix(host, ending) })
}

// refusal is why a request is not answered.
type refusal struct {
	status int
	detail string
}

// mayTry says why a request may not have a statement tried; nil if it may. What it asks for runs
// with the rights of the tables' owner.
func (d *Dashboard) mayTry(r *http.Request) *refusal {
	if d.OwnerURL == "" {
		return &refusal{http.StatusForbidden, "Trying statements is off. Set DASHBOARD_DATABASE_URL to PostgreSQL as the tables' owner, or run: invalidator explain --sql."}
	}
	return d.mayAsk(r)
}

// mayAsk says why a request may not ask for what costs something; nil if it may. It must come from
// a program or from the dashboard's own page: a browser asks before it sends this media type for a
// page of another origin, and is told nothing that would allow it.
func (d *Dashboard) mayAsk(r *http.Request) *refusal {
	if err := d.cross.Check(r); err != nil {
		return &refusal{http.StatusForbidden, "This request comes from a page of another origin."}
	}
	media, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	switch {
	case !strings.EqualFold(strings.TrimSpace(media), "application/json"):
		return &refusal{http.StatusUnsupportedMediaType, "Send application/json."}
	case len(d.tokens) > 0 && !d.hasToken(r):
		return &refusal{http.StatusUnauthorized, "This needs the token of DASHBOARD_TOKEN."}
	case len(d.tokens) == 0 && !fromThisMachine(r):
		return &refusal{http.StatusForbidden, "Only who comes from the same machine may ask this, not through a proxy. Set DASHBOARD_TOKEN for others."}
	}
	return nil
}

// fromThisMachine reports whether a request comes over loopback, and not from a proxy there.
func fromThisMachine(r *http.Request) bool {
	for _, header := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-Ip", "Via"} {
		if r.Header.Get(header) != "" {
			return false
		}
	}
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	return err == nil && peer.Addr().Unmap().IsLoopback()
}

func hashed(tokens string) (hashes [][32]byte) {
	for token := range strings.SplitSeq(tokens, ",") {
		if token != "" {
			hashes = append(hashes, sha256.Sum256([]byte(token)))
		}
	}
	return hashes
}

// hasToken compares in constant time.
func (d *Dashboard) hasToken(r *http.Request) bool {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	given, found := sha256.Sum256([]byte(token)), 0
	for i := range d.tokens {
		found |= subtle.ConstantTimeCompare(given[:], d.tokens[i][:])
	}
	return found == 1 && strings.EqualFold(scheme, "Bearer")
}
