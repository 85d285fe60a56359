package rediscache

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"
)

// A moment is a view that is kept for its time alone. It needs no invalidator: the time is noted by
// Redis' clock before the database is read, and the view counts until the bound after that. So it is
// not older than the bound, whatever has happened since.

// Moment is a view that was found, or the right to make the next one.
type Moment struct {
	View      *View         // found; nil: the caller is to read the database and call KeepMoment or LeaveMoment
	Age       time.Duration // of the view
	Partition int           // of the query

	key, lease string
	token      Token
	of         string // whose it is
	noted      int64
	bound      time.Duration
}

// momentOf names whose a moment is: of whom reads the same rows by the same description.
func momentOf(origin string) string {
	sum := sha256.Sum256([]byte(origin))
	return hex.EncodeToString(sum[:epochWidth/2])
}

// Moment returns the moment of a query in a format, of the data and the description that origin
// names, or the right to make one; the error is ErrHeld if somebody else has that. bound is B: how
// long a moment counts, and the right to make one lasts. What is made later counts for nobody.
func (r *Reader) Moment(ctx context.Context, format, query, origin string, bound time.Duration) (*Moment, error) {
	p := r.space.Partition(query)
	m := &Moment{
		Partition: p, key: r.space.Moment(format, query), lease: r.space.MomentLease(format, query),
		token: NewToken(), of: momentOf(origin), bound: bound,
	}
	cmd := r.evaluate(ctx, p, r.scripts.moment, []string{m.key, m.lease},
		string(m.token), max(1, bound.Milliseconds()), bound.Microseconds(), magic+r.build+" "+m.of+" ")
	if values, err := cmd.Slice(); err == nil && len(values) == 3 && values[0] == "FOUND" {
		text, _ := values[1].(string)
		age, err := number(values[2])
		if err != nil {
			return nil, fmt.Errorf("read the age of a moment: %w", err)
		}
		view, err := parseView(text)
		if err != nil {
			return nil, fmt.Errorf("read a moment: %w", err)
		}
		m.View, m.Age = &view, time.Duration(age)*time.Microsecond
		return m, nil
	}
	values, err := r.scripts.moment.answer(cmd)
	if err != nil {
		return nil, err
	}
	if len(values) != 1 {
		return nil, errors.New("read the time of a moment: there is none")
	}
	if m.noted, err = number(values[0]); err != nil {
		return nil, fmt.Errorf("read the time of a moment: %w", err)
	}
	return m, nil
}

// KeepMoment stores what the database has shown since Moment was called, and gives the right back. If
// that has ended nothing is stored.
func (r *Reader) KeepMoment(ctx context.Context, m *Moment, v View) error {
	noted := fmt.Sprintf("%0*d", tokenWidth, m.noted)
	head := ValueHead{Build: r.build, Generation: m.of, Token: Token(noted)}
	return r.keepMoment(ctx, m, v.encode(head))
}

// LeaveMoment gives the right back unused.
func (r *Reader) LeaveMoment(ctx context.Context, m *Moment) error { return r.keepMoment(ctx, m, "") }

func (r *Reader) keepMoment(ctx context.Context, m *Moment, value any) error {
	return r.run(ctx, m.Partition, r.scripts.keepMoment, []string{m.key, m.lease},
		string(m.token), value, max(1, m.bound.Milliseconds()))
}
