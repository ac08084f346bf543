// Package docs runs what the pages of the folder docs show.
//
//	docs/*.md ──► marked blocks ──► programs ──► results against the test vectors
//
// A block that is run stands behind a mark such as <!-- snippet: go -->. Go
// alone is enough for the tests. Other languages are run where their programs
// are on the PATH; the variable KINETRAIL_REQUIRE, a list such as
// python,node,java, makes their absence a failure.
package docs
