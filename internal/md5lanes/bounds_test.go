//go:build linux || darwin

package md5lanes

import (
	"syscall"
	"testing"
)

// Behind the messages lies a page that cannot be read, so that the test dies when
// a byte too many is.
func TestNothingBehindAMessageIsRead(t *testing.T) {
	t.Parallel()
	page := syscall.Getpagesize()
	memory, err := syscall.Mmap(-1, 0, 2*page, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		t.Fatalf("map two pages: %v", err)
	}
	defer syscall.Munmap(memory)
	if err := syscall.Mprotect(memory[page:], syscall.PROT_NONE); err != nil {
		t.Fatalf("close the second page: %v", err)
	}
	for i := range page {
		memory[i] = byte(i * 13)
	}
	for length := range 300 {
		messages := make([][]byte, Lanes)
		for lane := range messages {
			messages[lane] = memory[page-(length+lane*64)%(page+1) : page]
		}
		check(t, messages)
	}
}
