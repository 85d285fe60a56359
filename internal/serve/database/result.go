package database

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/pgvalue"
	"github.com/freshlist/freshlist/internal/session"
)

// eachRow is called for a row of a result, with its values in binary form; they are of no use
// when it has returned.
type eachRow func(fields []pgconn.FieldDescription, values [][]byte) error

// inBinary asks for every column of a result in binary form.
var inBinary = pgx.QueryResultFormats{pgx.BinaryFormatCode}

// each runs a statement on a session, or in its open transaction, and gives its rows to do.
func (s *statement) each(ctx context.Context, conn *pgx.Conn, do eachRow) error {
	if conn.Config().DefaultQueryExecMode != pgx.QueryExecModeCacheStatement {
		return s.eachUnprepared(ctx, conn, do)
	}
	args := append(make([]any, 0, 1+len(s.args)), inBinary)
	rows, err := conn.Query(ctx, s.text.String(), append(args, s.args...)...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := do(rows.FieldDescriptions(), rows.RawValues()); err != nil {
			return err
		}
	}
	return rows.Err()
}

// eachUnprepared is each for a statement without a name, which any backend takes. (pgx itself
// would have its result in text form.)
func (s *statement) eachUnprepared(ctx context.Context, conn *pgx.Conn, do eachRow) error {
	parameters, err := s.parameters(conn.TypeMap())
	if err != nil {
		return err
	}
	result := conn.PgConn().ExecParams(ctx, s.text.String(), parameters, nil, nil, inBinary)
	return drain(result, do)
}

// drain reads a result to its end.
func drain(result *pgconn.ResultReader, do eachRow) (err error) {
	for err == nil && result.NextRow() {
		err = do(result.FieldDescriptions(), result.Values())
	}
	if _, failed := result.Close(); err == nil {
		err = failed
	}
	return err
}

// parameters returns the arguments as PostgreSQL reads them in text form.
func (s *statement) parameters(types *pgtype.Map) ([][]byte, error) {
	parameters := make([][]byte, len(s.args))
	for i, arg := range s.args {
		switch arg := arg.(type) {
		case nil:
			continue
		case string:
			parameters[i] = []byte(arg)
			continue
		}
		list, err := types.Encode(pgtype.TextArrayOID, pgx.TextFormatCode, arg, nil)
		if err != nil {
			return nil, fmt.Errorf("encode parameter %d: %w", i+1, err)
		}
		parameters[i] = list
	}
	return parameters, nil
}

// runStatement runs a statement outside a transaction and gives its rows to do.
type runStatement func(ctx context.Context, conn *pgx.Conn, s *statement, do eachRow) error

// each runs a statement outside a transaction. Behind a pooler it gets one of its own, which brings the
// settings.
func (p *Pool) each(ctx context.Context, conn *pgx.Conn, s *statement, do eachRow) error {
	if session.InStartup(conn) {
		return s.each(ctx, conn, do)
	}
	parameters, err := s.parameters(conn.TypeMap())
	if err != nil {
		return err
	}
	var batch pgconn.Batch
	batch.ExecParams(beginRead, nil, nil, nil, nil)
	batch.ExecParams(p.local, nil, nil, nil, nil)
	batch.ExecParams(s.text.String(), parameters, nil, nil, inBinary)
	batch.ExecParams("commit", nil, nil, nil, nil)
	results := conn.PgConn().ExecBatch(ctx, &batch)
	for n := 0; results.NextResult(); n++ {
		if n == 2 {
			err = drain(results.ResultReader(), do)
		} else {
			_, _ = results.ResultReader().Close() // its error is that of all
		}
	}
	failed := results.Close()
	if failed != nil && !conn.IsClosed() {
		_, _ = conn.Exec(ctx, "rollback") // the pool gives up a session in which this fails
	}
	if err == nil {
		err = failed
	}
	return err
}

// readable returns the types of a statement's result that pgvalue.Decode reads as values of a
// form. (A domain comes as what it is based on.)
func readable(f listing.Form) []uint32 {
	switch f {
	case listing.Whole:
		return []uint32{pgtype.Int2OID, pgtype.Int4OID, pgtype.Int8OID}
	case listing.Decimal:
		return []uint32{pgtype.NumericOID}
	case listing.Float:
		return []uint32{pgtype.Float8OID}
	case listing.Truth:
		return []uint32{pgtype.BoolOID}
	case listing.Day:
		return []uint32{pgtype.DateOID}
	case listing.Moment:
		return []uint32{pgtype.TimestampOID}
	case listing.Instant:
		return []uint32{pgtype.TimestamptzOID}
	case listing.UUID:
		return []uint32{pgtype.UUIDOID}
	default: // what is no text is cast to one
		return []uint32{pgtype.TextOID, pgtype.VarcharOID, pgtype.BPCharOID, pgtype.NameOID}
	}
}

// decode reads the values of a row behind the first ones, which are the statement's own, and gives them to
// set, by the columns' places in the result.
func (s *statement) decode(fields []pgconn.FieldDescription, values [][]byte, set func(i int, v listing.Null[listing.Value])) error {
	own := len(values) - len(s.columns) - len(s.joins)
	for i, c := range s.columns {
		v, err := readValue(s.table, c, fields[own+i].DataTypeOID, values[own+i])
		if err != nil {
			return err
		}
		set(i, v)
	}
	return nil
}

// readValue reads a value, or NULL, of a type of PostgreSQL's.
func readValue(t *listing.Table, c *listing.Column, kind uint32, b []byte) (v listing.Null[listing.Value], err error) {
	switch {
	case !slices.Contains(readable(c.Form), kind):
		return v, misfit(t, c, "has another type than "+c.Type.Name)
	case b == nil:
		return v, nil
	}
	v.Valid = true
	if v.V, err = decodeValue(c, b); err != nil {
		m := misfit(t, c, "has a value that "+c.Type.Name+" cannot hold")
		m.err = err
		return v, m
	}
	return v, nil
}

// decodeValue reads one value. A whole number may be of another size than its column's: the column
// may have been altered since it was described.
func decodeValue(c *listing.Column, b []byte) (v listing.Value, err error) {
	if c.Form != listing.Whole {
		return pgvalue.Decode(c, b)
	}
	if v.Number, err = pgvalue.Integer(b); err != nil {
		return listing.Value{}, err
	}
	if !c.Holds(v) {
		return listing.Value{}, pgvalue.ErrRange
	}
	return v, nil
}

// row reads a row of the table.
func (s *statement) row(fields []pgconn.FieldDescription, values [][]byte) (listing.Row, error) {
	r := s.table.NewRow()
	err := s.decode(fields, values, func(i int, v listing.Null[listing.Value]) { r.Set(s.columns[i].Number, v) })
	if err != nil || len(s.joins) == 0 {
		return r, err
	}
	for i, j := range s.joins {
		inner, err := readInner(j, values[len(values)-len(s.joins)+i])
		if err != nil {
			return r, err
		}
		r.SetInner(j, inner)
	}
	return r, nil
}

// readInner reads the inner rows of a join.
func readInner(j *listing.Join, array []byte) (rows []listing.Row, err error) {
	columns := innerColumns(j)
	err = pgvalue.Records(array, func(fields []pgvalue.Field) error {
		if len(fields) != len(columns) {
			return pgvalue.ErrShape
		}
		r := j.Inner.NewRow()
		for i, c := range columns {
			v, err := readValue(j.Inner, c, fields[i].Type, fields[i].Bytes)
			if err != nil {
				return err
			}
			r.Set(c.Number, v)
		}
		rows = append(rows, r)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", j.Name, err)
	}
	return rows, nil
}
