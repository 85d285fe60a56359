// Package description says which tables are listed and what each of their columns is
// for. A user writes it as a YAML file, listings.yaml; everything that depends on the
// columns of a table is to be derived from it.
//
// There are three steps, and none does any I/O:
//
//   - Parse reads a file into a File, which knows where each word stands.
//   - Resolve holds a File against a Catalog, which is what PostgreSQL says about the
//     relations. The result is a Description: columns by number, with their exact types,
//     and all that follows from the file, such as the parameters of a URL.
//   - Description.Encode writes a Description as text, and Decode reads it back.
//     Description.Identity names it.
//
// Draft goes the other way: it writes a first file for relations that exist. JSONSchema
// returns a schema by which editors complete the file.
//
// All faults of a file are found at once. Each says where it is, what is wrong, the nearest
// name that exists, and what to do: see Fault.
package description
