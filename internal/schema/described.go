package schema

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/freshlist/freshlist/db"
	"github.com/freshlist/freshlist/internal/description"
	"github.com/freshlist/freshlist/internal/listing"
)

// ErrNoTable says that a table which is described does not exist.
var ErrNoTable = errors.New("a described table is missing")

// missingError names a described table that does not exist. It is an ErrNoTable.
type missingError struct {
	table  description.RelationName
	remedy string
}

func (e missingError) Error() string {
	return "there is no table " + e.table.String() + "; " + e.remedy
}

func (missingError) Is(target error) bool { return target == ErrNoTable }

// File is a description as somebody has written it.
type File struct {
	Name string // for messages
	Text string

	ships   bool // it is the one that ships
	missing string
}

// Shipped returns the description that ships, of the table that the migrations make.
func Shipped() File {
	return File{Name: "listings.yaml", Text: db.Listings, ships: true, missing: "run: api migrate up"}
}

// querier is a connection or a transaction.
type querier interface {
	Exec(context.Context, string, ...any) (pgconn.CommandTag, error)
	Query(context.Context, string, ...any) (pgx.Rows, error)
	QueryRow(context.Context, string, ...any) pgx.Row
}

// Stored returns the file of the description that is installed, and its identity. If none is,
// it returns the one that ships, and no identity.
func stored(ctx context.Context, on querier) (f File, identity string, err error) {
	var name, text *string
	err = on.QueryRow(ctx, "select identity, file, source from freshlist.description").Scan(&identity, &name, &text)
	switch {
	case errors.Is(err, pgx.ErrNoRows), isUndefined(err):
		return Shipped(), "", nil
	case err != nil:
		return File{}, "", fmt.Errorf("read the installed description: %w", err)
	case name == nil || text == nil:
		return Shipped(), identity, nil
	}
	return File{Name: *name, Text: *text, missing: "create it, or install another description"}, identity, nil
}

// resolve holds the file against the catalog as it is now. The error is of type
// description.Faults if the file does not fit, and an ErrNoTable if it did once.
func (f *File) resolve(catalog func([]description.RelationName) (*description.Catalog, error)) (d *description.Description, warnings description.Faults, err error) {
	parsed, faults := description.Parse(f.Name, f.Text)
	if parsed == nil {
		return nil, nil, faults
	}
	relations := parsed.Relations()
	c, err := catalog(relations)
	if err != nil {
		return nil, nil, err
	}
	for _, name := range relations {
		if f.missing != "" && c.Relation(name) == nil {
			return nil, nil, missingError{name, f.missing}
		}
	}
	if d, faults = description.Resolve(parsed, c); len(faults) > 0 {
		return nil, nil, faults
	}
	return d, description.Review(parsed, c), nil
}

// resolveOn resolves the file against the catalog of a connection.
func (f *File) resolveOn(ctx context.Context, conn *pgx.Conn) (*description.Description, description.Faults, error) {
	return f.resolve(func(names []description.RelationName) (*description.Catalog, error) {
		return ReadCatalog(ctx, conn, names)
	})
}

// ReadDescription returns the description that is installed. If none is, or if the role may
// not read it, it returns the one that ships, held against the catalog: a program that caches
// nothing needs no installation.
func ReadDescription(ctx context.Context, conn *pgx.Conn) (*description.Description, error) {
	var body string
	err := conn.QueryRow(ctx, "select body from freshlist.description").Scan(&body)
	switch {
	case err == nil:
		d, err := description.Decode([]byte(body))
		if err != nil {
			return nil, fmt.Errorf("read the installed description: %w; as the tables' owner run: invalidator install", err)
		}
		return d, nil
	case errors.Is(err, pgx.ErrNoRows), isUndefined(err), isForbidden(err):
		shipped := Shipped()
		d, _, err := shipped.resolveOn(ctx, conn)
		return d, err
	}
	return nil, fmt.Errorf("read the installed description: %w", err)
}

// store writes the description that is being installed.
func (f *File) store(ctx context.Context, tx pgx.Tx, site *listing.Site) error {
	var name, text *string
	if !f.ships {
		name, text = &f.Name, &f.Text
	}
	_, err := tx.Exec(ctx, "insert into freshlist.description (identity, body, file, source) values ($1, $2, $3, $4)",
		site.Identity, string(site.Description.Encode()), name, text)
	if err != nil {
		return fmt.Errorf("store the description: %w", err)
	}
	return nil
}

// isUndefined reports whether err says that a schema, table or function is missing.
func isUndefined(err error) bool {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return false
	}
	switch pg.Code {
	case pgerrcode.InvalidSchemaName, pgerrcode.UndefinedFunction, pgerrcode.UndefinedTable:
		return true
	}
	return false
}

func isForbidden(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == pgerrcode.InsufficientPrivilege
}
