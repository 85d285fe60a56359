package description_test

import (
	"testing"

	"github.com/freshlist/freshlist/internal/description"
)

func TestExactness(t *testing.T) {
	t.Parallel()
	varchar := plain(description.Varchar)
	varchar.Name = "character varying(20)"
	looseC := loose()
	looseC.Bytewise = true
	for _, test := range []struct {
		t               description.Type
		equality, order description.Exactness
	}{
		{plain(description.Smallint), description.Exact, description.Exact}, {plain(description.Integer), description.Exact, description.Exact}, {plain(description.Bigint), description.Exact, description.Exact},
		{numeric(14, 2), description.Exact, description.Exact}, {numeric(18, 18), description.Exact, description.Exact}, {numeric(1, 0), description.Exact, description.Exact}, {numeric(3, 5), description.Exact, description.Exact},
		{numeric(19, 0), description.Wide, description.Exact}, {numeric(0, 0), description.Wide, description.Exact}, {numeric(5, -2), description.Wide, description.Exact}, {numeric(5, 19), description.Wide, description.Exact},
		{plain(description.Real), description.Wide, description.Exact}, {plain(description.Double), description.Exact, description.Exact}, {plain(description.Boolean), description.Exact, description.Exact},
		{plain(description.Date), description.Exact, description.Exact}, {plain(description.Timestamp), description.Exact, description.Exact}, {plain(description.TimestampTZ), description.Exact, description.Exact}, {plain(description.UUID), description.Exact, description.Exact},
		{enum("a", "b"), description.Exact, description.Exact}, {plain(description.Text), description.Exact, description.Wide}, {varchar, description.Exact, description.Wide}, {bytewise(), description.Exact, description.Exact}, {loose(), description.Wide, description.Wide}, {looseC, description.Wide, description.Wide},
		{plain(description.Char), description.Exact, description.Wide}, {plain(description.Other), description.Never, description.Never},
		{array(plain(description.Text)), description.Exact, description.Never}, {array(loose()), description.Wide, description.Never}, {array(numeric(0, 0)), description.Wide, description.Never}, {array(plain(description.Other)), description.Never, description.Never},
	} {
		if e, o := test.t.Equality(), test.t.Order(); e != test.equality || o != test.order {
			t.Errorf("%+v: equality %d, order %d, want %d, %d", test.t, e, o, test.equality, test.order)
		}
	}
}

// A number of up to 15 digits is the nearest float of no other one, so that a box whose edges
// are floats is compared exactly.
func TestWithin(t *testing.T) {
	t.Parallel()
	for want, types := range map[description.Exactness][]description.Type{
		description.Exact: {{Kind: description.Double}, {Kind: description.Numeric, Precision: 9, Scale: 6}, {Kind: description.Numeric, Precision: 15, Scale: 12}},
		description.Wide:  {{Kind: description.Numeric, Precision: 16, Scale: 13}, {Kind: description.Numeric}, {Kind: description.Real}},
	} {
		for _, typ := range types {
			if got := typ.Within(); got != want {
				t.Errorf("%+v: %v, want %v", typ, got, want)
			}
		}
	}
}
