package description

// joins judges the rows of other tables that are shown inside a row.
func (t *tableResolver) joins() {
	for i := range t.file.With {
		t.join(&t.file.With[i])
	}
}

func (t *tableResolver) join(j *FileJoin) {
	if !j.Table.Given() || !j.By.Given() {
		return // Parse has said so
	}
	other := t.table(j.Table.Value)
	if other == nil {
		t.fault(Meaning, j.Table.At, "%s is not a table of this file", quoteName(j.Table.Value)).near(j.Table.Value, t.tableNames()).
			help("every table that is shown inside another is described in this file, too")
		return
	}
	holder, target := t, other // the table that has the column, and the one whose key it holds
	if j.many() {
		holder, target = other, t
	}
	if holder.relation == nil || target.relation == nil {
		return
	}
	by := holder.attribute(j.By, "the joining column")
	if by == nil {
		if target.relation.Attribute(j.By.Value) != nil {
			last := &t.faults[len(t.faults)-1]
			last.help("by names a column of %s, which holds the key of %s", holder.file.Name.Value, target.file.Name.Value)
			if !j.many() {
				last.help("if %s is a column of %s and there may be several rows, write many: true", yamlName(j.By.Value), target.file.Name.Value)
			}
		}
		return
	}
	holder.use(by)
	if target.key != nil {
		t.judgeJoin(j, holder, target, by)
	}
	if j.Order.Given() {
		if order := other.attribute(j.Order, "the order"); order != nil {
			other.use(order)
			if bad := order.Type.sorts(); bad.why != "" {
				t.fault(Meaning, j.Order.At, "%s, %s, cannot order rows: %s", quoteName(order.Name), order.Type.Name, bad.why).help("name another column, or write many: true")
			}
		}
	}
}

// many reports whether there are several rows.
func (j *FileJoin) many() bool { return j.Many.Value || j.Order.Given() }

// judgeJoin judges the column that holds the key of the other table.
func (t *tableResolver) judgeJoin(j *FileJoin, holder, target *tableResolver, by *Attribute) {
	key := target.key
	if !by.Type.joins(key.Type) {
		t.fault(Meaning, j.By.At, "%s of %s, %s, cannot hold the key of %s: %s is %s",
			quoteName(by.Name), holder.relation, by.Type.Name, target.relation, quoteName(key.Name), key.Type.Name).
			help("name a column of the key's type")
		return
	}
	if to := t.refersElsewhere(holder, target, by); to != nil {
		t.fault(Meaning, j.By.At, "%s refers to %s of %s, whose key is %s", quoteName(by.Name), quoteName(to.Name), target.relation, quoteName(key.Name)).
			help("write key: %s in the table %s, or name another column", yamlName(to.Name), target.file.Name.Value)
		return
	}
	if j.many() && !holder.relation.indexed(by.Number) {
		t.warn(j.By.At, "no index of %s begins with %s: each page reads the whole table", holder.relation, quoteName(by.Name)).
			help("CREATE INDEX ON %s (%s)", holder.relation, sqlName(by.Name))
	}
}

// refersElsewhere returns the column that a joining column refers to by a foreign key, if
// that is not the key.
func (t *tableResolver) refersElsewhere(holder, target *tableResolver, by *Attribute) (to *Attribute) {
	for _, fk := range t.catalog.ForeignKeys {
		if fk.From != holder.relation.RelationName || fk.FromColumn != by.Number || fk.To != target.relation.RelationName {
			continue
		}
		if fk.ToColumn == target.key.Number {
			return nil
		}
		to = target.relation.attributeByNumber(fk.ToColumn)
	}
	return to
}

// assembleJoins makes the joins, once the columns of all tables are numbered.
func (t *tableResolver) assembleJoins(d *Description) (joins []Join) {
	for i := range t.file.With {
		f := &t.file.With[i]
		j := Join{Name: f.Name.Value, Many: f.many(), Lists: f.On.Value != "item", Order: -1}
		for n := range d.Tables {
			if d.Tables[n].Name == f.Table.Value {
				j.Table = n
			}
		}
		other := &d.Tables[j.Table]
		if !j.Many {
			j.By = d.Table(t.file.Name.Value).Column(f.By.Value)
		} else {
			j.By, j.Order = other.Column(f.By.Value), other.Key
			if f.Order.Given() {
				j.Order = other.Column(f.Order.Value)
			}
		}
		joins = append(joins, j)
	}
	return joins
}
