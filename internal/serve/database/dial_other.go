//go:build !linux

package database

import "syscall"

// limitUnacknowledged does nothing where the system knows no TCP_USER_TIMEOUT.
func limitUnacknowledged(_, _ string, _ syscall.RawConn) error { return nil }
