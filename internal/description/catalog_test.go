package description_test

import "github.com/freshlist/freshlist/internal/description"

// plain returns a type by its kind, under the kind's own name.
func plain(kind description.Kind) description.Type {
	return description.Type{Kind: kind, Name: string(kind)}
}

func numeric(precision, scale int) description.Type {
	t := plain(description.Numeric)
	t.Precision, t.Scale = precision, scale
	return t
}

func array(of description.Type) description.Type {
	return description.Type{Kind: description.Array, Name: of.Name + "[]", Element: &of}
}

func enum(labels ...string) description.Type {
	return description.Type{Kind: description.Enum, Name: "public.kind", Base: "public.kind", Labels: labels}
}

func bytewise() description.Type {
	return description.Type{Kind: description.Text, Name: "text", Collation: "C", Bytewise: true}
}

func loose() description.Type {
	return description.Type{Kind: description.Text, Name: "text", Collation: "ci", Loose: true}
}

// attributes numbers columns as CREATE TABLE does. A name that ends in ! is NOT NULL.
func attributes(columns ...any) (list []description.Attribute) {
	for i := 0; i < len(columns); i += 2 {
		name, t := columns[i].(string), columns[i+1].(description.Type)
		a := description.Attribute{Number: int16(i/2 + 1), Name: name, Type: t}
		if last := len(name) - 1; name[last] == '!' {
			a.Name, a.NotNull = name[:last], true
		}
		list = append(list, a)
	}
	return list
}

// relation makes a table whose first column is the primary key.
func relation(name string, columns ...any) description.Relation {
	return description.Relation{
		RelationName: description.RelationName{Schema: "public", Name: name}, Kind: description.OrdinaryTable, Rows: -1,
		Attributes: attributes(columns...),
		Indexes:    []description.IndexInfo{{Name: name + "_pkey", Method: "btree", Primary: true, Unique: true, Valid: true, Columns: []int16{1}, Keys: 1}},
	}
}

func index(columns ...int16) description.IndexInfo {
	return description.IndexInfo{Name: "an_index", Method: "btree", Valid: true, Columns: columns, Keys: len(columns)}
}

func unique(columns ...int16) description.IndexInfo {
	x := index(columns...)
	x.Unique = true
	return x
}

// catalog is a database of homes, with one of each thing that does not fit.
func catalog() *description.Catalog {
	homes := relation("homes",
		"id!", plain(description.Bigint), "title!", plain(description.Text), "description", plain(description.Text), "type", enum("house", "condo"), "city", plain(description.Text),
		"price", numeric(14, 2), "estimate", numeric(0, 0), "bedrooms", plain(description.Smallint), "latitude", plain(description.Double), "longitude", plain(description.Double),
		"features", array(plain(description.Text)), "extra", description.Type{Kind: description.Other, Name: "jsonb"}, "agent_id", plain(description.Integer), "created_at!", plain(description.TimestampTZ),
		"updated_at", plain(description.TimestampTZ), "nickname", loose(), "code", bytewise(), "computed", plain(description.Integer), "uid!", plain(description.UUID),
		"we ird", plain(description.Integer), "stored", plain(description.Integer))
	homes.Indexes = append(homes.Indexes, index(14, 1), index(6, 1), index(13), unique(19))
	homes.Attributes[17].Generated, homes.Attributes[20].Generated = description.Virtual, description.Stored
	homes.Attributes[0].Identity, homes.Attributes[13].Default = true, "now()"
	agents := relation("agents", "id!", plain(description.Integer), "name!", plain(description.Text), "code!", plain(description.Text), "email", plain(description.Text))
	agents.Indexes = append(agents.Indexes, unique(3))
	photos := relation("photos", "id!", plain(description.UUID), "home_id!", plain(description.Bigint), "position!", plain(description.Integer), "url", plain(description.Text), "home_code", plain(description.Text))
	photos.Indexes = append(photos.Indexes, index(2, 3))
	c := &description.Catalog{
		Database: "test", Encoding: "UTF8", Configurations: []string{"english", "german", "simple"},
		Relations: []description.Relation{homes, agents, photos},
	}
	for _, odd := range []struct {
		name   string
		change func(*description.Relation)
	}{
		{"a_view", func(r *description.Relation) { r.Kind = description.View }},
		{"a_matview", func(r *description.Relation) { r.Kind = description.MaterializedView }},
		{"a_whole", func(r *description.Relation) { r.Kind = description.PartitionedTable }},
		{"a_part", func(r *description.Relation) { r.Partition, r.Parents = true, true }},
		{"a_child", func(r *description.Relation) { r.Parents = true }},
		{"a_parent", func(r *description.Relation) { r.Children = true }},
		{"a_foreign", func(r *description.Relation) { r.Kind = description.ForeignTable }},
		{"a_sequence", func(r *description.Relation) { r.Kind = description.SequenceRelation }},
		{"temporary", func(r *description.Relation) { r.Temporary = true }},
		{"unlogged", func(r *description.Relation) { r.Unlogged = true }},
		{"secured", func(r *description.Relation) { r.RowSecurity = true }},
		{"no_key", func(r *description.Relation) { r.Indexes = nil }},
		{"composite", func(r *description.Relation) { r.Indexes[0].Columns, r.Indexes[0].Keys = []int16{1, 2}, 2 }},
		{"other_key", func(r *description.Relation) { r.Indexes = []description.IndexInfo{unique(3)} }},
		{"nullable", func(r *description.Relation) { r.Attributes[0].NotNull = false }},
		{"float_key", func(r *description.Relation) { r.Attributes[0].Type = plain(description.Double) }},
		{"loose_key", func(r *description.Relation) { r.Attributes[0].Type = loose() }},
		{"text_key", func(r *description.Relation) { r.Attributes[0].Type = plain(description.Text) }},
		{"virtual_key", func(r *description.Relation) { r.Attributes[0].Generated = description.Virtual }},
		{"partial_key", func(r *description.Relation) { r.Indexes[0].Primary, r.Indexes[0].Partial = false, true }},
		{"broken_key", func(r *description.Relation) { r.Indexes[0].Primary, r.Indexes[0].Valid = false, false }},
		{"Capital", func(*description.Relation) {}},
	} {
		r := relation(odd.name, "id!", plain(description.Integer), "name", plain(description.Text), "number!", plain(description.Integer))
		odd.change(&r)
		c.Relations = append(c.Relations, r)
	}
	searched := relation("searched", "id!", plain(description.Integer), "title!", plain(description.Text), "words", description.Type{Kind: description.Other, Name: "tsvector"},
		"other_words", description.Type{Kind: description.Other, Name: "public.words", Base: "tsvector"})
	searched.Attributes[2].Expression = "to_tsvector('german'::regconfig, title)"
	byWords := index(3)
	byWords.Method = "gin"
	searched.Indexes = append(searched.Indexes, byWords)
	c.Relations = append(c.Relations, searched)
	wide := relation("wide", "id!", plain(description.Integer))
	for n := range 70 {
		wide.Attributes = append(wide.Attributes, description.Attribute{Number: int16(n + 2), Name: "c" + string(rune('a'+n/26)) + string(rune('a'+n%26)), Type: plain(description.Integer)})
	}
	c.Relations = append(c.Relations, wide)
	for i := range c.Relations {
		c.Names = append(c.Names, c.Relations[i].RelationName)
	}
	c.ForeignKeys = []description.ForeignKey{
		{From: homes.RelationName, FromColumn: 13, To: agents.RelationName, ToColumn: 1},
		{From: photos.RelationName, FromColumn: 2, To: homes.RelationName, ToColumn: 1},
	}
	return c
}
