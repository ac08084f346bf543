// Package cli is the kinetrail command: one file per command, and the few
// parts they share.
//
//	args ──► Run ──► root command ──► put, tail, list, …  ──► stdout
//	                                         │
//	                  exit code ◄── explain ◄┴── error      ──► stderr
//
// A command writes its result to stdout in the form that --output names, and
// returns an error otherwise. Only Run reports errors, each as one sentence and
// at most one hint, and turns them into an exit code:
//
//	0    done
//	1    failed
//	2    the command line asks for something that cannot be
//	130  interrupted
package cli
