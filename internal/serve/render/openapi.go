package render

import _ "embed"

//go:embed openapi.json
var openAPI []byte

// OpenAPI returns the OpenAPI document of the whole HTTP interface, as JSON. It
// must not be changed.
func OpenAPI() []byte { return openAPI }
