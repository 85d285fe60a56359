package description

import "regexp"

// File is a description as a user has written it. It knows where each word stands. What
// is faulty in the file is missing here.
type File struct {
	Site   FileSite
	Tables []FileTable // in the file's order

	source source
	faults Faults // of Parse
}

// FileSite is the member site.
type FileSite struct {
	Name, URL, Locale, Currency, Home Located[string]
}

// FileTable is one member of tables.
type FileTable struct {
	Name                                           Located[string]
	Relation, Key, Label, Newest, Search, Language Located[string]
	Place                                          FilePlace
	Columns                                        []FileColumn // in the file's order
	With                                           []FileJoin
}

// FilePlace is the member place of a table.
type FilePlace struct{ Latitude, Longitude Located[string] }

// FileColumn is one member of columns.
type FileColumn struct {
	Name                                                   Located[string] // as the database has it
	As, Label, Filter, Param, SortName, Search, Show, Unit Located[string]
	On, WriteWord                                          Located[string]
	Facet, Sort, Stats, Write                              Located[bool]
	From                                                   []FileSource
}

// FileJoin is one member of with.
type FileJoin struct {
	Name          Located[string]
	Table, By, On Located[string]
	Many          Located[bool]
	Order         Located[string] // the column that many names
}

// The words that a file may use.
var (
	filterWords = []string{"any-of", "range", "min", "max", "contains"}
	searchWords = []string{"A", "B", "C", "D"}
	onWords     = []string{"list", "item", "none"}
	joinOnWords = []string{"list", "item"}
	showWords   = []string{"text", "words", "name", "badge", "paragraph", "number", "money", "date", "time", "link", "image", ShowSVG}
)

// The most that a file may have of one thing.
const (
	maxTables  = 100
	maxColumns = 1600 // of one table, PostgreSQL's own limit
	maxJoins   = 20   // of one table
)

// maxTableName is how long the name of a table may be: names of objects in the database are
// made of it and of up to 22 characters more, and PostgreSQL cuts names at 63.
const maxTableName = 40

var tableName = regexp.MustCompile(`^[a-z][a-z0-9_-]*$`)

func (f *File) shape() shape {
	return objectShape{what: "a description", example: "tables: {homes: {columns: {price: {filter: range}}}}", fields: []field{
		{name: "site", doc: "What the whole site is called, and how it writes numbers and money", shape: f.Site.shape()},
		{name: "tables", doc: "The tables that are listed, each under the name that it has in addresses", required: true, shape: namesShape{
			what: "the member tables", example: "tables: {homes: {columns: {price: {filter: range}}}}", most: maxTables,
			names: textShape{
				most: maxTableName, pattern: tableName,
				what: "a name for addresses", example: "homes (lower-case letters, digits, _ and -)",
			},
			entry: func(name Located[string]) shape {
				f.Tables = append(f.Tables, FileTable{Name: name})
				return f.Tables[len(f.Tables)-1].shape()
			},
		}},
	}}
}

var siteURL = regexp.MustCompile(`^https?://[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?$`)

func (s *FileSite) shape() shape {
	return objectShape{what: "the member site", example: "site: {name: Homes, locale: en-US, currency: USD}", empty: true, fields: []field{
		{name: "name", doc: "What pages call the site", shape: textShape{into: &s.Name, most: 100, what: "a name", example: "Freshlist"}},
		{name: "url", doc: "Where the site is, without a path: pages then name their own addresses in full, for search engines and previews", shape: textShape{
			into: &s.URL, most: 200, pattern: siteURL, what: "an address without a path", example: "https://homes.example",
		}},
		{name: "locale", doc: "How pages write numbers and dates", shape: textShape{
			into: &s.Locale, most: 20, pattern: regexp.MustCompile(`^[a-z]{2,3}(-[A-Z][a-z]{3})?(-([A-Z]{2}|[0-9]{3}))?$`), what: "a locale", example: "en-US",
		}},
		{name: "currency", doc: "The currency of columns that are shown as money, by its three letters", shape: choiceShape{&s.Currency, currencies, "a currency's three letters"}},
		{name: "home", doc: "The table whose list is the page /; the first one, if this is missing", shape: textShape{
			into: &s.Home, most: 40, what: "the name of a table", example: "homes",
		}},
	}}
}

func (t *FileTable) shape() shape {
	const example = "homes: {relation: public.homes, columns: {price: {filter: range}}}"
	return objectShape{what: "a table", example: example, fields: []field{
		{name: "relation", doc: "The table in the database, as SQL spells it; that of the same name in the schema public, if this is missing", shape: textShape{
			into: &t.Relation, most: 140, what: "the name of a table", example: "public.homes",
		}},
		{name: "key", doc: "The column that tells rows apart, unique and NOT NULL; the primary key, if this is missing", shape: columnName(&t.Key)},
		{name: "label", doc: "The column that says what a row is called; the key, if this is missing", shape: columnName(&t.Label)},
		{name: "columns", doc: "The columns that are shown or searched, in the order of the answers", required: true, shape: namesShape{
			what: "the member columns", example: "columns: {title: {search: A}, price: {filter: range, sort: true}}", most: maxColumns,
			names: columnName(nil),
			entry: func(name Located[string]) shape {
				t.Columns = append(t.Columns, FileColumn{Name: name})
				return t.Columns[len(t.Columns)-1].shape()
			},
		}},
		{name: "newest", doc: "The column of the default order, the greatest value first; the key, if this is missing", shape: columnName(&t.Newest)},
		{name: "place", doc: "The columns that say where a row is: they give the filter bbox and the map", shape: t.Place.shape()},
		{name: "search", doc: "The column of type tsvector in which the filter q looks for words; the columns with a search of their own, if this is missing", shape: columnName(&t.Search)},
		{name: "language", doc: "The text search configuration of the filter q; english, if this is missing", shape: textShape{
			into: &t.Language, most: 63, what: "a text search configuration", example: "english",
		}},
		{name: "with", doc: "Rows of other tables that are shown inside a row of this one", shape: namesShape{
			what: "the member with", example: "with: {agent: {table: agents, by: agent_id}}", most: maxJoins,
			names: word(nil, "a name for JSON", "agent"),
			entry: func(name Located[string]) shape {
				t.With = append(t.With, FileJoin{Name: name})
				return t.With[len(t.With)-1].shape()
			},
		}},
	}}
}

func (p *FilePlace) shape() shape {
	const example = "place: {latitude: lat, longitude: lon}"
	return objectShape{what: "the member place", example: example, fields: []field{
		{name: "latitude", doc: "The column of degrees north", required: true, shape: columnName(&p.Latitude)},
		{name: "longitude", doc: "The column of degrees east", required: true, shape: columnName(&p.Longitude)},
	}}
}

func (c *FileColumn) shape() shape {
	return objectShape{what: "a column", example: "price: {filter: range, sort: true}", empty: true, fields: []field{
		{name: "as", doc: "What JSON and addresses call the column; its name, if this is missing", shape: word(&c.As, "a name for JSON and addresses", "living_area")},
		{name: "label", doc: "What pages call the column", shape: textShape{into: &c.Label, most: 100, what: "a label", example: "Living area"}},
		{name: "on", doc: "Where the column is shown: list (also on the row's own page), item (only there) or none", shape: choiceShape{&c.On, onWords, "a place to show a column"}},
		{name: "show", doc: "How pages print the column", shape: choiceShape{&c.Show, showWords, "a way to show a column"}},
		{name: "unit", doc: "What pages print behind a number", shape: textShape{into: &c.Unit, most: 20, what: "a unit", example: "sq ft"}},
		{name: "filter", doc: "How lists are filtered: any-of a list of values, a range from min_ to max_, only min or only max, or an array that contains values",
			shape: choiceShape{&c.Filter, filterWords, "a kind of filter"}},
		{name: "param", doc: "What the filter's parameters are called, behind min_ and max_", shape: word(&c.Param, "a name for a parameter", "area")},
		{name: "sort", doc: "true, or a name: lists can be sorted by the column, and by - and the name in the other direction", shape: flagOrShape{
			&c.Sort, word(&c.SortName, "a name for an order", "area"), "true, or a name for the order", "a name",
		}},
		{name: "search", doc: "The filter q looks into the column; A is the heaviest weight, D the lightest", shape: choiceShape{&c.Search, searchWords, "a weight of a text search"}},
		{name: "facet", doc: "The summary counts the rows for each value", shape: flagShape{&c.Facet}},
		{name: "stats", doc: "The summary has the least, the greatest and the mean value", shape: flagShape{&c.Stats}},
		{name: "write", doc: "Whether a write through the API sets the column; now: each one sets it to the present time", shape: flagOrShape{
			&c.Write, choiceShape{&c.WriteWord, []string{"now"}, "true, false or now"}, "true, false or now", "now",
		}},
		{name: "from", doc: "Other names of the column in files to import, such as ListPrice, the best first; below a name, what its values mean",
			shape: fromShape{&c.From}},
	}}
}

func (j *FileJoin) shape() shape {
	return objectShape{what: "a member of with", example: "agent: {table: agents, by: agent_id}", fields: []field{
		{name: "table", doc: "The other table, by its name in this file", required: true, shape: textShape{
			into: &j.Table, most: 40, what: "the name of a table", example: "agents",
		}},
		{name: "by", doc: "The column that joins: of this table, and it holds the other's key; with many, of the other table, and it holds this one's key", required: true,
			shape: columnName(&j.By)},
		{name: "many", doc: "There are several rows, in the order of this column of the other table; true: in the order of its key", shape: flagOrShape{
			&j.Many, columnName(&j.Order), "true, or the column of the other table that orders its rows", "a column",
		}},
		{name: "on", doc: "Where the rows are shown: list (also on the row's own page) or item (only there)", shape: choiceShape{&j.On, joinOnWords, "a place to show rows"}},
	}}
}

// currencies are the codes of ISO 4217 that are in use.
var currencies = []string{
	"AED", "AFN", "ALL", "AMD", "ANG", "AOA", "ARS", "AUD", "AWG", "AZN", "BAM", "BBD", "BDT", "BGN", "BHD", "BIF", "BMD", "BND", "BOB", "BRL",
	"BSD", "BTN", "BWP", "BYN", "BZD", "CAD", "CDF", "CHF", "CLP", "CNY", "COP", "CRC", "CUP", "CVE", "CZK", "DJF", "DKK", "DOP", "DZD", "EGP",
	"ERN", "ETB", "EUR", "FJD", "FKP", "GBP", "GEL", "GHS", "GIP", "GMD", "GNF", "GTQ", "GYD", "HKD", "HNL", "HTG", "HUF", "IDR", "ILS", "INR",
	"IQD", "IRR", "ISK", "JMD", "JOD", "JPY", "KES", "KGS", "KHR", "KMF", "KPW", "KRW", "KWD", "KYD", "KZT", "LAK", "LBP", "LKR", "LRD", "LSL",
	"LYD", "MAD", "MDL", "MGA", "MKD", "MMK", "MNT", "MOP", "MRU", "MUR", "MVR", "MWK", "MXN", "MYR", "MZN", "NAD", "NGN", "NIO", "NOK", "NPR",
	"NZD", "OMR", "PAB", "PEN", "PGK", "PHP", "PKR", "PLN", "PYG", "QAR", "RON", "RSD", "RUB", "RWF", "SAR", "SBD", "SCR", "SDG", "SEK", "SGD",
	"SHP", "SLE", "SOS", "SRD", "SSP", "STN", "SVC", "SYP", "SZL", "THB", "TJS", "TMT", "TND", "TOP", "TRY", "TTD", "TWD", "TZS", "UAH", "UGX",
	"USD", "UYU", "UZS", "VES", "VND", "VUV", "WST", "XAF", "XCD", "XOF", "XPF", "YER", "ZAR", "ZMW",
}
