package description

import "encoding/json"

// Parse reads a description. Name is that of the file, for faults. All faults are returned
// together; the file is nil only if it is not YAML at all. A file with faults is good for
// Resolve, which then finds the others.
func Parse(name, text string) (*File, Faults) {
	r := reporter{source: newSource(name, text)}
	tree := r.readTree(text)
	if tree == nil {
		return nil, r.faults.sorted()
	}
	file := &File{source: r.source}
	grammar := reader{reporter: &r}
	grammar.read(file.shape(), tree)
	file.faults = r.faults.sorted()
	return file, file.faults
}

// schemaAddress names the schema. Nothing has to be there.
const schemaAddress = "https://github.com/freshlist/freshlist/raw/main/docs/listings.schema.json"

// JSONSchema returns a JSON Schema (draft 2020-12) of the file, by which editors complete
// it. It rules out what Parse finds with faults of the kind Shape.
func JSONSchema() []byte {
	schema := (&File{}).shape().schema()
	schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	schema["$id"] = schemaAddress
	schema["title"] = "listings.yaml of freshlist"
	text, err := json.MarshalIndent(schema, "", "  ")
	if err != nil {
		panic(err) // maps of texts and numbers
	}
	return append(text, '\n')
}
