// Command baseline is what freshlist's reads are compared with: a plain Echo server
// without middleware, whose one handler sends an answer that never changes, the same
// status line, headers and body as freshlist does.
//
// With BASELINE_KEY the handler takes the body from Redis, by one GET of that key with
// the client and the options that the API has. It is configured by the environment:
// HTTP_ADDR, BASELINE_ANSWER (the path of an Answer as JSON), BASELINE_KEY, REDIS_URL.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/redis/go-redis/v9"

	"github.com/freshlist/freshlist/internal/rediscache"
)

// Answer is what is sent. A Content-Type among the headers stands for itself; Date
// comes from net/http.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// redisBudget is the API's.
const redisBudget = 100 * time.Millisecond

func main() {
	if err := run(os.Getenv); err != nil {
		fmt.Fprintln(os.Stderr, "baseline:", err)
		os.Exit(1)
	}
}

func run(getenv func(string) string) error {
	text, err := os.ReadFile(getenv("BASELINE_ANSWER"))
	if err != nil {
		return err
	}
	var a Answer
	if err := json.Unmarshal(text, &a); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	e := echo.New()
	e.HideBanner, e.HidePort = true, true
	handler := constant(a)
	if key := getenv("BASELINE_KEY"); key != "" {
		rdb, err := rediscache.Connect(getenv("REDIS_URL"), redisBudget, nil)
		if err != nil {
			return err
		}
		handler = bareGet(a, rdb, key)
	}
	e.GET("/v1/properties", handler)
	err = e.Start(getenv("HTTP_ADDR"))
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// constant sends the body that it has.
func constant(a Answer) echo.HandlerFunc {
	fields := fieldsOf(a.Header)
	return func(c echo.Context) error {
		return send(c, a.Status, fields, a.Body)
	}
}

// bareGet sends the body that Redis has.
func bareGet(a Answer, rdb redis.UniversalClient, key string) echo.HandlerFunc {
	fields := fieldsOf(a.Header)
	return func(c echo.Context) error {
		body, err := rdb.Get(c.Request().Context(), key).Bytes()
		if err != nil {
			return err
		}
		return send(c, a.Status, fields, body)
	}
}

// send answers as any handler would.
func send(c echo.Context, status int, fields [][2]string, body []byte) error {
	h := c.Response().Header()
	for _, f := range fields {
		h.Set(f[0], f[1])
	}
	c.Response().WriteHeader(status)
	_, err := c.Response().Write(body)
	return err
}

// fieldsOf lists the fields of a header, all but those that net/http sets.
func fieldsOf(h http.Header) [][2]string {
	var fields [][2]string
	for name := range h {
		if name != "Date" {
			fields = append(fields, [2]string{name, h.Get(name)})
		}
	}
	return fields
}
