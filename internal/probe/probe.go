// Package probe asks a process of freshlist whether it is ready. It stands behind
// the command health of both programs: an image without a shell has no curl.
package probe

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// timeout bounds one question: a process that takes longer is not ready.
const timeout = 3 * time.Second

// Ready returns nil if the process that listens on addr says by /readyz that it is
// ready.
func Ready(ctx context.Context, addr string) error {
	_, err := Get(ctx, addr, "/readyz")
	return err
}

// Get returns what the process that listens on addr answers to a path. An address
// that listens on all interfaces is asked on loopback. Any answer but 200 is an
// error that says what was answered.
func Get(ctx context.Context, addr, path string) ([]byte, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("parse address: %w", err)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
		if ip != nil && ip.To4() == nil {
			host = "::1"
		}
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(host, port)+path, nil)
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", addr, err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", path, err)
	}
	defer resp.Body.Close()
	said, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answers %s: %s", path, resp.Status, strings.TrimSpace(string(said)))
	}
	return said, nil
}
