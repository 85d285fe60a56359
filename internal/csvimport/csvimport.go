package csvimport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/freshlist/freshlist/internal/description"
	"github.com/freshlist/freshlist/internal/listing"
)

// Options say how a file is imported.
type Options struct {
	File     string    // its name, for messages
	Size     int64     // its length in bytes; 0: not known
	Key      string    // the column by which rows are found: its name in the database, or outside; "": the table's key
	Progress *Progress // nil: nobody wants to know
}

// Summary is what an import has done.
type Summary struct {
	Table    string   `json:"table"`    // by its name in addresses
	Rows     int64    `json:"rows"`     // of the file
	Added    int64    `json:"added"`    // rows that were not there
	Changed  int64    `json:"changed"`  // rows that were there, with other values
	Same     int64    `json:"same"`     // rows that were there with these values, or that a trigger has kept away
	Seconds  float64  `json:"seconds"`  // how long it took
	Ignored  []string `json:"ignored"`  // columns of the file that were not taken, each with the reason
	Analyzed bool     `json:"analyzed"` // ANALYZE has counted the table's values
}

// Import reads a file into a table, in one transaction, and has the table analyzed. The error is
// of type *Faults if something is wrong with the file; then nothing has been changed. conn is a
// connection of a role that may write the table and owns its sequences.
func Import(ctx context.Context, conn *pgx.Conn, t *listing.Table, r io.Reader, o Options) (Summary, error) {
	var s Summary
	began := time.Now()
	err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) (err error) {
		s, err = Load(ctx, tx, t, r, o)
		return err
	})
	if err == nil && s.Added+s.Changed > 0 {
		err = Analyze(ctx, conn, t, o.Progress)
		s.Analyzed = err == nil
	}
	s.Seconds = time.Since(began).Seconds()
	o.Progress.end()
	return s, err
}

// Analyze has PostgreSQL count the table's values, by which it plans queries.
func Analyze(ctx context.Context, conn *pgx.Conn, t *listing.Table, p *Progress) error {
	p.begin("analyzing", 0, 0)
	if _, err := conn.Exec(ctx, "analyze "+t.Relation.SQL()); err != nil {
		return fmt.Errorf("analyze %s: %w", t.Relation, err)
	}
	return nil
}

// Load reads a file into a table, as a part of a transaction.
func Load(ctx context.Context, tx pgx.Tx, t *listing.Table, r io.Reader, o Options) (s Summary, err error) {
	faults := &Faults{File: o.File}
	f, err := newFile(r)
	if err != nil {
		return s, fmt.Errorf("read %s: %w", o.File, err)
	}
	names, err := f.readHeader(faults)
	if err != nil {
		return s, err
	}
	l := load{table: t}
	if l.attributes, err = attributes(ctx, tx, t); err != nil {
		return s, err
	}
	h := header{table: t, attributes: l.attributes, names: names, at: f.position, faults: faults}
	h.match()
	l.targets = h.targets
	if err := l.findKey(o.Key); err != nil {
		return s, err
	}
	s = Summary{Table: t.Name, Ignored: append([]string{}, h.notes...)}
	if len(l.targets) == 0 && faults.Count == 0 {
		faults.add(1, 0, "no column of the file is one of %s", t.Name)
	}
	if faults.Count > 0 {
		return s, faults
	}
	if s.Rows, err = l.stage(ctx, tx, f, len(names), faults, o); err != nil {
		return s, err
	}
	if err := l.prepare(ctx, tx, faults); err != nil {
		return s, err
	}
	o.Progress.begin("writing", s.Rows, 0)
	if err := l.run(ctx, tx, s.Rows, faults, &s); err != nil {
		return s, err
	}
	s.Same = s.Rows - s.Added - s.Changed
	return s, nil
}

// findKey finds the column by which rows are found.
func (l *load) findKey(name string) error {
	if name == "" {
		l.key = l.target(l.table.KeyColumn().Name)
		return nil
	}
	for i := range l.table.Columns {
		c := &l.table.Columns[i]
		if c.Name != name && c.Member != name {
			continue
		}
		switch a := attributeOf(l.attributes, c.Name); {
		case a == nil || !a.unique:
			return fmt.Errorf("--key %s: two rows of %s may have the same %s; name a column with a unique index that is not deferrable", name, l.table.Relation, c.Name)
		case l.target(c.Name) == nil:
			return fmt.Errorf("--key %s: the file has no such column", name)
		}
		l.key = l.target(c.Name)
		return nil
	}
	var names []string
	for i := range l.table.Columns {
		names = append(names, l.table.Columns[i].Name)
	}
	if near := description.Nearest(name, names); near != "" {
		return fmt.Errorf("--key %s: %s has no such column; did you mean %s?", name, l.table.Name, near)
	}
	return fmt.Errorf("--key %s: %s has no such column, or its description does not use it", name, l.table.Name)
}

// stage reads the file into the staging table, and returns how many rows it has.
func (l *load) stage(ctx context.Context, tx pgx.Tx, f *file, fields int, faults *Faults, o Options) (int64, error) {
	for _, sql := range []string{"select set_config('client_min_messages', 'notice', true)", l.createStaging(), l.createTick()} {
		if _, err := tx.Exec(ctx, sql, pgx.QueryExecModeExec); err != nil {
			return 0, fmt.Errorf("make the table that the file is read into: %w", err)
		}
	}
	o.Progress.begin("reading", 0, o.Size)
	source := &rows{file: f, targets: l.targets, fields: fields, faults: faults, told: o.Progress.read}
	_, err := tx.Conn().PgConn().CopyFrom(ctx, source, "copy "+staging+" from stdin")
	switch {
	case faults.Count > 0:
		return 0, faults
	case source.ended != nil && !errors.Is(source.ended, io.EOF):
		return 0, source.ended
	case err != nil:
		return 0, l.copyFault(err, faults)
	}
	return source.count, nil
}

// copyFault is what a value that PostgreSQL itself does not read has to say.
func (l *load) copyFault(err error, faults *Faults) error {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) || len(pg.Code) < 2 || pg.Code[:2] != "22" {
		return fmt.Errorf("read the file into PostgreSQL: %w", err)
	}
	faults.add(0, 0, "PostgreSQL does not read a value: %s (%s)", pg.Message, pg.Where)
	return faults
}

// prepare finds keys that the file has twice, and moves sequences behind the values that it has.
func (l *load) prepare(ctx context.Context, tx pgx.Tx, faults *Faults) error {
	if l.key != nil {
		found, err := tx.Query(ctx, l.doubled(), pgx.QueryExecModeExec)
		if err != nil {
			return fmt.Errorf("look for keys that are there twice: %w", err)
		}
		var key string
		var lines []int64
		_, err = pgx.ForEachRow(found, []any{&key, &lines}, func() error {
			faults.add(lines[1], 0, "%s %s is in line %d, too", l.key.header, shown(key), lines[0])
			faults.Count += int64(len(lines)) - 2
			return nil
		})
		if err != nil {
			return fmt.Errorf("look for keys that are there twice: %w", err)
		}
		if faults.Count > 0 {
			return faults
		}
	}
	for i := range l.targets {
		if l.targets[i].sequence == "" || l.targets[i].Form != listing.Whole {
			continue
		}
		if _, err := tx.Exec(ctx, l.advance(i), pgx.QueryExecModeExec); err != nil {
			return fmt.Errorf("move the sequence of %s: %w", l.targets[i].Column.Name, err)
		}
	}
	return nil
}
