// Package arch proves the arrows of docs/architecture.md: which package of this
// module may import which, which foreign modules each may use and what a program
// that imports it is linked with.
//
//	every .go file ──parse──► imports ──table of arrows──► sentences about what is wrong
//
// It holds tests alone. A package that is new, or an arrow that is, gets its row
// in arrows_test.go and its place in docs/architecture.md in one commit.
package arch
