// Package reference turns an OpenAPI document into what people read: operations
// by group, with parameters, bodies, answers and a command to try; the schemas as
// tables of members; the errors. Every anchor is unique, and every type that has
// a name leads to its schema.
//
// It knows the part of OpenAPI and JSON Schema that Meterbook's document uses. A
// keyword that it does not know is an error, so that nothing of the document is
// passed over in silence.
package reference
