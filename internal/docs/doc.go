// Package docs runs what the README and the pages of the folder docs show.
//
//	README.md ──► every block ──► compiled, called, invoked, run by a shell ──► what it printed, put and traced
//	docs/*.md ──► readers     ──► programs ──► results against the test vectors
//	          ──► commands, tests, links ──► do they exist?
//
// Blocks are taken from the pages when the tests run. What a block does not show
// is in testdata; the go command is told of the rest by an overlay, so nothing
// is written into the tree. A block that no rule covers is a failure.
//
// Go alone is enough for the tests. Shells and other languages are run where
// their programs are on the PATH; the variable KINETRAIL_REQUIRE, a list such as
// sh,python,node,java, makes their absence a failure.
package docs
