package serve

import (
	"fmt"
	"math"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

const (
	limitWindow = time.Minute // in which a client may make as many requests as RATE_LIMIT says
	mostClients = 1 << 17     // that are told apart in one window; further ones share a bucket
)

// limiter bounds the requests of each client, known by its address. A client has a bucket of tokens
// for limitWindow: each request takes one, and they come back evenly.
type limiter struct {
	most    int
	clients int      // see mostClients
	policy  []string // the header RateLimit-Policy
	proxies proxies

	mu        sync.Mutex
	buckets   map[netip.Addr]*rate.Limiter // that were used since rotatedAt
	former    map[netip.Addr]*rate.Limiter // that were used in the window before
	rotatedAt time.Time
}

// newLimiter returns nil if there is no bound.
func newLimiter(most int, p proxies) *limiter {
	if most <= 0 {
		return nil
	}
	policy := fmt.Sprintf(`"client";q=%d;w=%d`, most, int(limitWindow.Seconds()))
	return &limiter{most: most, clients: mostClients, policy: []string{policy}, proxies: p, buckets: map[netip.Addr]*rate.Limiter{}}
}

// admit takes a token for a request, and says in the answer's headers what is left. Probes need none.
// It reports whether there was one; if not, Retry-After says when there will be.
func (l *limiter) admit(h http.Header, r *http.Request, now time.Time) bool {
	if r.URL.Path == "/healthz" || r.URL.Path == "/readyz" {
		return true
	}
	b := l.bucket(clientOf(l.proxies.client(r)), now)
	admitted := b.AllowN(now, 1)
	tokens := b.TokensAt(now)
	h["Ratelimit-Policy"] = l.policy
	h["Ratelimit"] = []string{fmt.Sprintf(`"client";r=%d;t=%d`, max(0, int(tokens)), l.seconds(float64(l.most)-tokens))}
	if !admitted {
		h.Set("Retry-After", strconv.Itoa(l.seconds(1-tokens)))
	}
	return admitted
}

// seconds returns how long it takes for so many tokens to come.
func (l *limiter) seconds(tokens float64) int {
	return int(math.Ceil(tokens / float64(l.most) * limitWindow.Seconds()))
}

// bucket returns the bucket of a client. One that was not used for a whole window is full again, and
// so need not be kept.
func (l *limiter) bucket(client netip.Addr, now time.Time) *rate.Limiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now.Sub(l.rotatedAt) >= limitWindow {
		l.former, l.buckets, l.rotatedAt = l.buckets, map[netip.Addr]*rate.Limiter{}, now
	}
	b, ok := l.buckets[client]
	if !ok && len(l.buckets) >= l.clients {
		client = netip.Addr{}
		b, ok = l.buckets[client]
	}
	if !ok {
		if b, ok = l.former[client]; !ok {
			b = rate.NewLimiter(rate.Limit(float64(l.most)/limitWindow.Seconds()), l.most)
		}
		l.buckets[client] = b
	}
	return b
}

// tooMany is the answer to a client that has no token.
func (l *limiter) tooMany() *problem {
	return &problem{
		status: http.StatusTooManyRequests,
		detail: fmt.Sprintf("More than %d requests a minute have come from this address. Retry-After says when the next one may.", l.most),
	}
}

// clientOf is the part of an address that stands for one client: of IPv6 the network, of which a client
// has all addresses.
func clientOf(a netip.Addr) netip.Addr {
	if a.Is6() {
		if network, err := a.WithZone("").Prefix(64); err == nil {
			return network.Addr()
		}
	}
	return a
}

// proxies are those whose word on where a request comes from is taken.
type proxies []netip.Prefix

// parseProxies reads addresses and networks with commas between. What is neither is left out.
func parseProxies(list string) (p proxies) {
	for item := range strings.SplitSeq(list, ",") {
		if network, err := netip.ParsePrefix(item); err == nil {
			p = append(p, network)
		} else if a, err := netip.ParseAddr(item); err == nil {
			p = append(p, netip.PrefixFrom(a, a.BitLen()))
		}
	}
	return p
}

func (p proxies) trust(a netip.Addr) bool {
	for _, network := range p {
		if network.Contains(a) {
			return true
		}
	}
	return false
}

// client returns the address that a request comes from: that of the connection or, if that is a
// trusted proxy's, the last one in X-Forwarded-For that is not. The zero Addr stands for one that
// cannot be read.
func (p proxies) client(r *http.Request) netip.Addr {
	peer, _ := netip.ParseAddrPort(r.RemoteAddr)
	at := peer.Addr().Unmap()
	if !p.trust(at) {
		return at
	}
	hops := strings.Split(strings.Join(r.Header["X-Forwarded-For"], ","), ",")
	for i := len(hops) - 1; i >= 0; i-- {
		hop, ok := parseHop(strings.Trim(hops[i], " \t"))
		if !ok {
			break
		}
		if at = hop; !p.trust(at) {
			break
		}
	}
	return at
}

// parseHop reads an address, with or without a port.
func parseHop(text string) (netip.Addr, bool) {
	if a, err := netip.ParseAddr(text); err == nil {
		return a.Unmap(), true
	}
	a, err := netip.ParseAddrPort(text)
	return a.Addr().Unmap(), err == nil
}
