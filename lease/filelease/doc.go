// Package filelease is a lease.Store in a file: for one machine, for several
// processes on it, and over restarts.
//
//	process ─┐                 ┌── orders.leases        a line for every write
//	process ─┼─ orders.leases.lock ─┤
//	process ─┘   one at a time └── rewritten when most of its lines are old
//
// Each write is one line appended to the file while its lock is held, so it
// costs no more with a thousand leases than with one. Others read only the lines
// that are new to them. A last line that was cut off by a crash was never
// acknowledged and is dropped.
//
// Nothing acknowledged is lost when a process is killed. Checkpoints, new leases
// and deletions are also synced to the disk and survive a loss of power;
// renewals are not, because none outlives the processes of the machine.
//
// The file must lie on a local file system: locks over networks cannot be
// trusted.
package filelease
