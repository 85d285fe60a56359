package description

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Names by which columns are recognised, without marks and capitals. The earlier one wins.
var (
	labelNames = []string{
		"title", "name", "headline", "displayname", "fullname", "label", "subject", "caption", "address", "streetaddress", "street", "code", "slug", "username",
	}
	newestNames = []string{
		"listedat", "publishedat", "postedat", "createdat", "insertedat", "addedat", "listedon", "publishedon", "createdon", "datelisted", "listdate",
		"dateposted", "datecreated", "created", "createddate", "creationdate", "createtime", "creationtime", "published", "listed", "posted", "inserted", "added",
	}
	changeNames   = []string{"updatedat", "modifiedat", "changedat", "updatedon", "modifiedon", "updated", "modified", "lastmodified", "lastupdated", "dateupdated", "datemodified", "updatetime", "mtime"}
	positionNames = []string{"position", "pos", "sortorder", "ordinal", "sequence", "seq", "displayorder", "rank", "place", "sort"}
	longNames     = []string{"description", "body", "content", "notes", "remarks", "details", "bio", "about", "comments", "summary", "text", "longdescription"}
	choiceNames   = []string{
		"city", "town", "state", "country", "region", "county", "district", "neighborhood", "neighbourhood", "borough", "province", "type", "propertytype", "status",
		"category", "kind", "class", "condition", "brand", "make", "model", "color", "colour", "currency", "language", "department", "level", "size", "style", "tenure", "fuel",
	}
	codeNames  = []string{"postalcode", "zip", "zipcode", "postcode", "countrycode", "statecode"}
	moneyWords = []string{"price", "rent", "cost", "amount", "fee", "fees", "salary", "deposit", "wage", "budget", "payment", "revenue", "hoa", "msrp"}
	countWords = []string{"bedrooms", "beds", "rooms", "floors", "stories", "doors", "seats", "garages", "parking", "stars", "rating"}
	areaWords  = []string{"area", "sqft", "sqm", "size", "acres", "acreage"}
	personal   = []string{"email", "emailaddress", "phone", "phonenumber", "mobile", "telephone", "birthdate", "birthday", "dateofbirth", "dob"}
)

// secret reports whether a name sounds like something that nobody should see.
func secret(name string) bool {
	plain := plainName(name)
	for _, word := range []string{"password", "passwd", "passphrase", "secret", "token", "apikey", "privatekey", "creditcard", "cardnumber", "cvv"} {
		if strings.Contains(plain, word) {
			return true
		}
	}
	return slices.ContainsFunc(parts(name), func(p string) bool {
		return slices.Contains([]string{"pwd", "salt", "ssn", "otp", "iban"}, p)
	})
}

// parts splits a name into its words, without capitals.
func parts(name string) []string { return strings.Fields(strings.ToLower(words(name))) }

// has reports whether one of a name's words is among those given.
func has(name string, list []string) bool {
	return slices.ContainsFunc(parts(name), func(p string) bool { return slices.Contains(list, p) }) || slices.Contains(list, plainName(name))
}

// changes reports whether a name says when a row was changed.
func changes(name string) bool { return slices.Contains(changeNames, plainName(name)) }

// long reports whether a column's texts are too long for a list.
func long(a *Attribute) bool {
	const wide = 80 // bytes
	return a.Type.text() && (a.Stats.Known && a.Stats.Width > wide || slices.Contains(longNames, plainName(a.Name)))
}

// distinct estimates how many values a column has; false if nobody has counted.
func (r *Relation) distinct(a *Attribute) (float64, bool) {
	switch {
	case !a.Stats.Known || a.Stats.Distinct == 0:
		return 0, false
	case a.Stats.Distinct > 0:
		return a.Stats.Distinct, true
	case r.Rows <= 0:
		return 0, false
	}
	return -a.Stats.Distinct * r.Rows, true
}

// How many values a column may have for a choice among them.
const (
	fewValues  = 100  // a summary counts at most so many
	someValues = 2000 // a list to choose from by typing
	fewNumbers = 30
)

// repeated reports whether values occur more than once, by far.
func (r *Relation) repeated(values float64) bool { return values <= r.Rows/3 }

// purpose says what a column is likely to be for.
func (t *draftTable) purpose(a *Attribute) draftColumn {
	switch {
	case a == t.key:
		return draftColumn{}
	case a == t.place[0] || a == t.place[1]:
		return draftColumn{}
	case a == t.newest:
		return draftColumn{write: t.writeFalse(a)}
	case a.Type.time() && changes(a.Name):
		if a.Generated != NotGenerated {
			return draftColumn{on: "item"}
		}
		return draftColumn{on: "item", write: "now", comment: "? each write through the API sets it"}
	}
	c := t.byType(a)
	if a.Stats.Known && a.Stats.NullFrac == 1 {
		c.comment = "? no row has a value"
	}
	if slices.Contains(personal, plainName(a.Name)) {
		c.comment = "? everybody can read it"
	}
	return c
}

// writeFalse keeps writes off a column that has its value by itself.
func (t *draftTable) writeFalse(a *Attribute) string {
	if a.Default != "" && a.Generated == NotGenerated && !a.Identity {
		return "false"
	}
	return ""
}

func (t *draftTable) byType(a *Attribute) draftColumn {
	switch typ := a.Type; {
	case typ.text():
		return t.textPurpose(a)
	case typ.Kind == Enum:
		return draftColumn{filter: "any-of", facet: true, show: badge(a), comment: sample(typ.Labels)}
	case typ.Kind == Boolean:
		return draftColumn{filter: "any-of", facet: true}
	case t.refers(a):
		if typ.filters("any-of").why == "" {
			return draftColumn{filter: "any-of", comment: t.reference(a)}
		}
		return draftColumn{}
	case typ.number():
		return t.numberPurpose(a)
	case typ.time():
		c := draftColumn{filter: "range", sort: t.indexed(a.Number)}
		if strings.HasPrefix(plainName(a.Name), "deleted") {
			c.comment = "? rows that have it are listed all the same"
		}
		return c
	case typ.Kind == Array && typ.filters("contains").why == "":
		return draftColumn{filter: "contains"}
	case typ.Kind == UUID:
		return draftColumn{}
	case strings.Contains(typ.Name, "json") || typ.Name == "xml":
		return draftColumn{on: "item", comment: "only shown, as it is"}
	}
	return draftColumn{comment: "only shown"}
}

// refers reports whether a column holds the keys of other rows.
func (t *draftTable) refers(a *Attribute) bool {
	if t.unique(a.Number) {
		return false
	}
	return t.foreignKey(a) != nil || (a.Type.whole() || a.Type.Kind == UUID) && slices.Contains([]string{"id", "uuid", "fk"}, lastPart(a.Name))
}

func lastPart(name string) string {
	p := parts(name)
	if len(p) == 0 {
		return ""
	}
	return p[len(p)-1]
}

func (t *draftTable) foreignKey(a *Attribute) *ForeignKey {
	for i := range t.catalog.ForeignKeys {
		if fk := &t.catalog.ForeignKeys[i]; fk.From == t.RelationName && fk.FromColumn == a.Number {
			return fk
		}
	}
	return nil
}

// reference says what a column refers to, if that is not in the draft.
func (t *draftTable) reference(a *Attribute) string {
	fk := t.foreignKey(a)
	if fk == nil {
		return "? it sounds like a reference"
	}
	if t.of(fk.To) == nil {
		return fmt.Sprintf("? to show the row that it refers to, draft %s too", fk.To)
	}
	return ""
}

func (t *draftTable) textPurpose(a *Attribute) draftColumn {
	name, plain := a.Name, plainName(a.Name)
	values, counted := t.distinct(a)
	facet := a.Type.facets().why == ""
	switch {
	case a == t.label:
		if long(a) {
			return draftColumn{search: "A", comment: "? long for a list"}
		}
		return draftColumn{search: "A"}
	case long(a):
		return draftColumn{search: "B", on: "item", show: "paragraph"}
	case has(name, []string{"image", "photo", "picture", "thumbnail", "avatar", "logo"}):
		return draftColumn{show: "image", comment: "? if it is an address"}
	case has(name, []string{"url", "link", "website", "homepage", "href"}):
		return draftColumn{show: "link"}
	case t.refers(a):
		return draftColumn{filter: "any-of", comment: t.reference(a)}
	case t.unique(a.Number):
		return draftColumn{comment: "every row has its own"}
	case counted && values <= fewValues && t.repeated(values):
		return draftColumn{filter: "any-of", facet: facet, show: badge(a), comment: sample(a.Stats.Common)}
	case counted && values <= someValues && t.repeated(values):
		return draftColumn{filter: "any-of", comment: fmt.Sprintf("some %.0f values", values)}
	case slices.Contains(codeNames, plain) || slices.Contains(codeNames, plainName(strings.Join(last(parts(name), 2), ""))):
		return draftColumn{filter: "any-of", comment: t.guessed(counted, values)}
	case slices.Contains(choiceNames, plain) || slices.Contains(choiceNames, lastPart(name)):
		return draftColumn{filter: "any-of", facet: facet, show: badge(a), comment: t.guessed(counted, values)}
	case counted:
		return draftColumn{comment: "nearly every row has its own"}
	}
	return draftColumn{}
}

func last(list []string, n int) []string { return list[max(0, len(list)-n):] }

// guessed says by what a choice was recognised.
func (t *draftTable) guessed(counted bool, values float64) string {
	if !counted {
		return "? by its name"
	}
	return fmt.Sprintf("? by its name; some %.0f values in %.0f rows", values, t.Rows)
}

// badge is how a state is shown.
func badge(a *Attribute) string {
	if slices.Contains([]string{"status", "state", "condition", "stage"}, lastPart(a.Name)) && lastPart(a.Name) != "state" || plainName(a.Name) == "status" {
		return "badge"
	}
	return ""
}

// sample shows a few values.
func sample(values []string) string {
	const most, longest = 4, 20
	var shown []string
	for _, v := range values[:min(len(values), most)] {
		if runes := []rune(v); len(runes) > longest {
			v = string(runes[:longest]) + "..."
		}
		if strings.TrimSpace(v) == "" || strings.ContainsAny(v, ",#") {
			v = strconv.Quote(v)
		}
		shown = append(shown, v)
	}
	if len(values) > most {
		shown = append(shown, "...")
	}
	return strings.Join(shown, ", ")
}

func (t *draftTable) numberPurpose(a *Attribute) draftColumn {
	name := a.Name
	money := has(name, moneyWords)
	c := draftColumn{filter: "range", sort: money || has(name, areaWords) || t.indexed(a.Number)}
	values, counted := t.distinct(a)
	few := counted && values <= fewNumbers && t.repeated(values) || !counted && has(name, countWords)
	c.facet = few && !money && (a.Type.whole() || a.Type.Kind == Numeric)
	switch {
	case t.unique(a.Number):
		return draftColumn{comment: "every row has its own"}
	case money:
		c.show = "money"
		c.stats = a.Type.stats().why == ""
		c.comment = "? money by its name"
	case unit(name) != "":
		c.unit = unit(name)
		c.comment = "? the unit by its name"
	}
	if c.sort && a.Type.Order() == Wide {
		c.note("? every change purges lists in this order: " + wideRemedy(a.Type))
	}
	return c
}

// unit guesses a unit by a name.
func unit(name string) string {
	p := parts(name)
	switch joined := strings.Join(last(p, 2), " "); joined {
	case "sq ft", "square feet":
		return "sq ft"
	case "sq m", "square meters", "square metres":
		return "m²"
	}
	switch lastPart(name) {
	case "sqft":
		return "sq ft"
	case "sqm", "m2":
		return "m²"
	case "acres", "acreage":
		return "acres"
	case "km", "kg", "cm", "mm", "mi":
		return lastPart(name)
	case "miles":
		return "mi"
	case "hours", "minutes", "seconds", "days", "months", "years":
		return lastPart(name)
	case "percent", "pct", "percentage":
		return "%"
	}
	return ""
}
