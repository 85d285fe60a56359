// Package probe asks a process of freshlist whether it is ready. It stands behind
// the command health of both programs: an image without a shell has no curl.
package probe

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/freshlist/freshlist/internal/cachestate"
)

// timeout bounds one question: a process that takes longer is not ready.
const timeout = 3 * time.Second

// once is a client that keeps no connection: a command asks once.
var once = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

// Ready returns nil if the process that listens on addr says by /readyz that it is
// ready.
func Ready(ctx context.Context, addr string) error {
	said, err := State(ctx, addr)
	switch {
	case err != nil:
		return err
	case !said.Ready:
		return fmt.Errorf("not ready: %s; %s", cmp.Or(said.Detail, said.Reason, "it is stopping"), cmp.Or(said.Remedy, "wait"))
	}
	return nil
}

// State returns what the process that listens on addr says by /readyz.
func State(ctx context.Context, addr string) (cachestate.Report, error) {
	var said cachestate.Report
	body, _, err := ask(ctx, addr, "/readyz")
	if err != nil {
		return said, err
	}
	if err := json.Unmarshal(body, &said); err != nil {
		return said, fmt.Errorf("read what /readyz answers: %w", err)
	}
	return said, nil
}

// Get returns what the process that listens on addr answers to a path. Any answer but
// 200 is an error that says what was answered.
func Get(ctx context.Context, addr, path string) ([]byte, error) {
	said, status, err := ask(ctx, addr, path)
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("%s answers %d %s: %s", path, status, http.StatusText(status), strings.TrimSpace(string(said)))
	}
	if err != nil {
		return nil, err
	}
	return said, nil
}

// Stream returns what the process that listens on addr goes on answering to a path, until ctx
// is done or it is closed.
func Stream(ctx context.Context, addr, path string) (io.ReadCloser, error) {
	url, err := urlOf(addr, path)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", addr, err)
	}
	resp, err := once.Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", path, err)
	}
	if resp.StatusCode != http.StatusOK {
		said, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
		_ = resp.Body.Close()
		return nil, fmt.Errorf("%s answers %d %s: %s", path, resp.StatusCode, http.StatusText(resp.StatusCode), strings.TrimSpace(string(said)))
	}
	return resp.Body, nil
}

// Post sends JSON to the process that listens on addr, and reads the JSON that it answers. A
// token goes along, unless it is "". Any answer but 200 is an error that says what was answered.
func Post(ctx context.Context, addr, path, token string, send, into any) error {
	url, err := urlOf(addr, path)
	if err != nil {
		return err
	}
	body, err := json.Marshal(send)
	if err != nil {
		return fmt.Errorf("write what %s is sent: %w", path, err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("ask %s: %w", addr, err)
	}
	req.Header.Set("Content-Type", "application/json")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := once.Do(req)
	if err != nil {
		return fmt.Errorf("ask %s: %w", path, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		var said struct{ Detail string }
		_ = json.NewDecoder(io.LimitReader(resp.Body, 64<<10)).Decode(&said) // "", then
		return fmt.Errorf("%s answers %d %s: %s", path, resp.StatusCode, http.StatusText(resp.StatusCode), said.Detail)
	}
	if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
		return fmt.Errorf("read what %s answers: %w", path, err)
	}
	return nil
}

// urlOf returns the address of a path. One that listens on all interfaces is asked on loopback.
func urlOf(addr, path string) (string, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return "", fmt.Errorf("parse address: %w", err)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
		if ip != nil && ip.To4() == nil {
			host = "::1"
		}
	}
	return "http://" + net.JoinHostPort(host, port) + path, nil
}

// ask returns what a process answers, and the status.
func ask(ctx context.Context, addr, path string) (said []byte, status int, err error) {
	url, err := urlOf(addr, path)
	if err != nil {
		return nil, 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, 0, fmt.Errorf("ask %s: %w", addr, err)
	}
	resp, err := once.Do(req)
	if err != nil {
		return nil, 0, fmt.Errorf("ask %s: %w", path, err)
	}
	defer resp.Body.Close()
	said, _ = io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	return said, resp.StatusCode, nil
}
