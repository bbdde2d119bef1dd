// Package httpapi is the HTTP side of the service: one table of routes, each a
// typed function, and everything around them.
//
// A request takes one way. ServeHTTP gives it an id and finds its route; the
// route's key and scope are checked in one place; path, query, headers and
// body are read into the route's input type; the function runs; its value or
// its error becomes the answer. Functions never see a ResponseWriter, so there
// is one place that reads bodies and one that writes answers. Three ways to
// register a route share that table: Handle for a value, HandleStream for work
// that tells its progress, HandleRaw for the live call, which writes its own
// bytes.
//
// The OpenAPI document, the pages under /docs and /problems, and the tests that
// try every route are derived from the same table.
package httpapi
