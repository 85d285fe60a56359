package listing

import "cmp"

// Order is one order of a table's lists. Ties are broken by the key in the same direction;
// NULL comes last in either direction.
type Order struct {
	Name       string
	Column     *Column
	Descending bool
	Wide       bool // only PostgreSQL knows it
}

// Order returns the order of a page.
func (q *Query) Order() Order { return q.Table.Order(q.Sort) }

// Order returns an order by its number in Orders.
func (t *Table) Order(sort int) Order {
	o := &t.Orders[sort]
	return Order{o.Name, &t.Columns[o.Column], o.Descending, o.Wide}
}

// Sort returns the number of the order of a name.
func (t *Table) Sort(name string) (sort int, ok bool) {
	for i := range t.Orders {
		if t.Orders[i].Name == name {
			return i, true
		}
	}
	return 0, false
}

// KeyColumn returns the column that tells rows apart.
func (t *Table) KeyColumn() *Column { return &t.Columns[t.Key] }

// Key is a row's place in an order: the value of the order's column, and the row's key.
type Key struct {
	Value Null[Value]
	Key   Value
}

// KeyOf returns a row's key in an order.
func (t *Table) KeyOf(sort int, r *Row) Key {
	return Key{Value: r.Get(t.Orders[sort].Column), Key: r.Values[t.Key]}
}

// Place is a row's place in an order, as the numbers that Column.Order returns.
type Place struct {
	Value Null[int64]
	Key   int64
}

// PlaceOf returns the place of a key in an order.
func (t *Table) PlaceOf(sort int, k Key) Place {
	p := Place{Key: t.KeyColumn().Order(k.Key)}
	if k.Value.Valid {
		p.Value = Some(t.Columns[t.Orders[sort].Column].Order(k.Value.V))
	}
	return p
}

// Compare returns a negative number if a comes before b in an order, zero if they may be the
// same place or it cannot tell, since the values are not Distinct, and a positive number if a
// comes after b. It is ORDER BY column, key with NULLS LAST in both directions. It means
// nothing for an order that is Wide.
func (t *Table) Compare(sort int, a, b Place) int {
	switch {
	case a.Value.Valid && !b.Value.Valid:
		return -1
	case !a.Value.Valid && b.Value.Valid:
		return +1
	}
	o := &t.Orders[sort]
	c := cmp.Compare(a.Value.V, b.Value.V)
	switch {
	case c != 0:
	case a.Value.Valid && !t.Columns[o.Column].Distinct(a.Value.V):
		return 0
	default:
		c = cmp.Compare(a.Key, b.Key)
	}
	if o.Descending {
		return -c
	}
	return c
}
