package listing

// Row is a row of a table, or those of its columns that were read: values by the columns'
// numbers. What was not read is zero, and not NULL.
type Row struct {
	Values []Value
	Nulls  Columns // the columns that are NULL; their values are zero
	Inner  [][]Row // of an answer with joins: see InnerOf
}

// InnerOf returns the inner rows of a join: at most one, or with Many any number, in order.
func (r *Row) InnerOf(j *Join) []Row {
	if j.Number >= len(r.Inner) {
		return nil
	}
	return r.Inner[j.Number]
}

// SetInner sets the inner rows of a join of the row's table.
func (r *Row) SetInner(j *Join, inner []Row) {
	if r.Inner == nil {
		r.Inner = make([][]Row, len(j.Outer.Joins))
	}
	r.Inner[j.Number] = inner
}

// NewRow returns a row of a table without any value.
func (t *Table) NewRow() Row { return Row{Values: make([]Value, len(t.Columns))} }

// Null reports whether a column is NULL.
func (r *Row) Null(column int) bool { return r.Nulls.Has(column) }

// Get returns the value of a column.
func (r *Row) Get(column int) Null[Value] {
	return Null[Value]{V: r.Values[column], Valid: !r.Null(column)}
}

// Set sets the value of a column.
func (r *Row) Set(column int, v Null[Value]) {
	r.Values[column] = v.V
	r.Nulls &^= ColumnSet(column)
	if !v.Valid {
		r.Values[column] = Value{}
		r.Nulls |= ColumnSet(column)
	}
}

// Differences returns the columns, of a set, in which two rows of a table differ.
func (r *Row) Differences(s *Row, of Columns) Columns {
	differ := r.Nulls ^ s.Nulls
	for i := range r.Values {
		if r.Values[i] != s.Values[i] {
			differ |= ColumnSet(i)
		}
	}
	return differ & of
}
