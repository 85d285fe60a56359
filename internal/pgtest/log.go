package pgtest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Complaints returns the lines of the server's log so far that are an error or worse. Ask
// only a server of the test's own.
func (s *Server) Complaints(t testing.TB) (lines []string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(s.postgres.Dir(), "log"))
	check(t, "read the log of postgres", err)
	for line := range strings.Lines(string(text)) {
		for _, severity := range []string{"WARNING:  ", "ERROR:  ", "FATAL:  ", "PANIC:  "} {
			if strings.Contains(line, severity) {
				lines = append(lines, line)
			}
		}
	}
	return lines
}
