package database

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// What can go wrong, besides the end of a caller's context and faults of ours.
var (
	// ErrBusy: every connection was in use until the context's deadline.
	ErrBusy = errors.New("no database connection was free in time")
	// ErrUnavailable: PostgreSQL cannot be reached, is going down or coming up,
	// or took too long. The same request may succeed later.
	ErrUnavailable = errors.New("the database is not available")
	// ErrInRecovery: the server is a standby, which shows commits late and takes no
	// writes. It is an ErrUnavailable too.
	ErrInRecovery = fmt.Errorf("%w: the server is in recovery, a standby", ErrUnavailable)
	// ErrDivided: sessions of the same address lead to different servers, or databases. It is
	// an ErrUnavailable too.
	ErrDivided = fmt.Errorf("%w: its sessions lead to different servers", ErrUnavailable)
	// ErrNoEpoch: the schema freshlist is not installed, or this role may not
	// use it. The rows can be read all the same, by Read.
	ErrNoEpoch = errors.New("the database has no freshlist epoch")
	// ErrNoRights: this role may not execute the function that gives the epoch. It is
	// an ErrNoEpoch too.
	ErrNoRights = fmt.Errorf("%w: this role may not execute freshlist.epoch()", ErrNoEpoch)
	// ErrNotFound: there is no such row.
	ErrNotFound = errors.New("no such row")
	// ErrRefused: PostgreSQL has not made the change, though it reports no error: a trigger of the
	// table has taken it back. Nothing is changed.
	ErrRefused = errors.New("a trigger of the table has refused the change")
	// ErrPrecondition: the row is not in the state that the caller asked for.
	ErrPrecondition = errors.New("the row is in another state")
	// ErrInProgress: a request of the same name is being answered.
	ErrInProgress = errors.New("the request is being answered")
	// ErrOtherRequest: something else was asked for under the request's name.
	ErrOtherRequest = errors.New("the key belongs to another request")
	// ErrNoKeys: answers cannot be kept. The table for it is not installed, or this role may not use it.
	ErrNoKeys = errors.New("answers to requests cannot be kept")
)

// RuleError is a write that breaks a rule of the table.
type RuleError struct {
	Columns []string // the columns whose rule it is, by their names outside if they have one; none if that is not known
	Detail  string   // what is wrong with the columns' values or, without a column, with the row
	err     error
}

// Error names the columns and what PostgreSQL said.
func (e *RuleError) Error() string { return fmt.Sprintf("rule of %q broken: %v", e.Columns, e.err) }

// Unwrap returns PostgreSQL's own error.
func (e *RuleError) Unwrap() error { return e.err }

// SQLSTATEs, by what they mean to a caller.
const (
	notNullViolation     = "23502"
	foreignKeyViolation  = "23503"
	uniqueViolation      = "23505"
	checkViolation       = "23514"
	exclusionViolation   = "23P01"
	stringTruncation     = "22001"
	numericOutOfRange    = "22003"
	invalidText          = "22P02"
	datatypeMismatch     = "42804"
	undefinedColumn      = "42703"
	undefinedTable       = "42P01"
	undefinedObject      = "42704" // a type, or a configuration of text search
	cannotCoerce         = "42846"
	programLimitExceeded = "54000" // a text too long for its index
	raiseException       = "P0001" // by a trigger of the table's owner
	undefinedFunction    = "42883"
	invalidSchemaName    = "3F000"
	dataException        = "22" // and all that begin so
	noPrivilege          = "42501"
	invalidParameter     = "22023"
	notSupported         = "0A000"
	duplicateStatement   = "42P05" // prepared by another client of a pooler
	unknownStatement     = "26000" // prepared on another backend of a pooler
	readOnly             = "25006" // a primary that has become a standby
	serializationFailure = "40001"
	deadlock             = "40P01"
	lockNotAvailable     = "55P03"
)

// classify wraps err in the vocabulary above where it fits.
func classify(err error) error {
	var pg *pgconn.PgError
	switch {
	case err == nil:
		return nil
	case errors.As(err, new(*MisfitError)):
		return err
	case errors.As(err, &pg):
		return classifySQL(pg, err)
	case errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, context.DeadlineExceeded), connectionLost(err):
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	default:
		return err
	}
}

// classifyRead is classify for what writes nothing, and so breaks no rule of the table.
func classifyRead(err error) error {
	classified := classify(err)
	if errors.As(classified, new(*RuleError)) {
		return err
	}
	return classified
}

func classifySQL(pg *pgconn.PgError, err error) error {
	switch pg.Code {
	case notNullViolation:
		return &RuleError{Detail: "must not be null", err: err}
	case checkViolation:
		return &RuleError{Detail: "is not allowed by the table", err: err}
	case uniqueViolation, exclusionViolation:
		return &RuleError{Detail: "is taken by another row", err: err}
	case foreignKeyViolation:
		return &RuleError{Detail: "is tied to rows of another table", err: err}
	case stringTruncation, numericOutOfRange:
		return &RuleError{Detail: "is too long or out of range", err: err}
	case programLimitExceeded:
		return &RuleError{Detail: "has a text that is too long to be indexed", err: err}
	case raiseException:
		return &RuleError{Detail: "is refused by the table", err: err}
	case readOnly:
		return fmt.Errorf("%w: %w", ErrInRecovery, err)
	case serializationFailure, deadlock, lockNotAvailable:
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	switch pg.Code[:2] {
	case "08", "28", "53", "57", "58": // connection, login, resources, operator, system
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return err
}

// connectionLost tells that the connection, not the statement, has failed.
func connectionLost(err error) bool {
	var connect *pgconn.ConnectError
	var network net.Error
	return errors.As(err, &connect) || errors.As(err, &network) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, pgconn.ErrConnClosed)
}

// sessionStale reports whether a read failed because of its session and not because of what
// was asked: another session may succeed.
func sessionStale(err error) bool {
	var pg *pgconn.PgError
	switch {
	case errors.Is(err, ErrInRecovery), movedBackend(err):
		return true
	case errors.As(err, &pg):
		return strings.HasPrefix(pg.Code, "57P") || resultTypeChanged(pg)
	}
	return connectionLost(err) && !errors.As(err, new(*pgconn.ConnectError))
}

// resultTypeChanged tells that a prepared statement returns something else since DDL.
// PostgreSQL has no code of its own for that, but names the place: no translation
// changes it.
func resultTypeChanged(pg *pgconn.PgError) bool {
	return pg.Code == notSupported && pg.Routine == "RevalidateCachedQuery"
}

// onStandby tells that a statement failed for what a standby cannot do: it met an
// unlogged table already while it was planned.
func onStandby(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == notSupported && pg.Routine == "get_relation_info"
}

// movedBackend reports whether a pooler has given a statement to another backend than the
// one before: a prepared statement was there already, or was missing.
func movedBackend(err error) bool { return hasCode(err, duplicateStatement, unknownStatement) }

// noEpoch tells that the function that gives the epoch cannot be called.
func noEpoch(err error) bool {
	return hasCode(err, undefinedFunction, invalidSchemaName, noPrivilege)
}

// withoutEpoch says of such an error which of the two it is.
func withoutEpoch(err error) error {
	if hasCode(err, noPrivilege) {
		return fmt.Errorf("%w: %w", ErrNoRights, err)
	}
	return fmt.Errorf("%w: %w", ErrNoEpoch, err)
}

// isFuture is what pg_xact_status says of an id that has not been given out.
func isFuture(err error) bool { return hasCode(err, invalidParameter) }

func hasCode(err error, codes ...string) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && slices.Contains(codes, pg.Code)
}
