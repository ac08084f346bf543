// This comment does not open as Go's documentation wants it.
package lease
