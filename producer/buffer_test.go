package producer

import (
	"errors"
	"testing"
)

func TestNoRecordOvertakesOneThatWaitsForRoom(t *testing.T) {
	t.Parallel()
	b := buffer{maxBytes: 100, maxRecords: 3}
	if !b.reserve(60) || b.reserve(60) {
		t.Fatal("a buffer of 100 bytes took 60 twice, or not once")
	}
	large := b.line(60)
	if b.reserve(10) {
		t.Error("a small record overtook a large one that waits")
	}
	small := b.line(10)
	b.release(1, 60)
	for name, w := range map[string]*roomWaiter{"large": large, "small": small} {
		select {
		case err := <-w.answer:
			if err != nil {
				t.Errorf("the %s record was refused: %v", name, err)
			}
		default:
			t.Errorf("the %s record still waits", name)
		}
	}
	if b.bytes != 70 || b.records != 2 {
		t.Errorf("the buffer counts %d records of %d bytes, want 2 of 70", b.records, b.bytes)
	}
	if !b.reserve(10) || b.reserve(0) {
		t.Error("the buffer took another number of records than 3")
	}
}

func TestAWaiterThatLeavesFreesTheLine(t *testing.T) {
	t.Parallel()
	b := buffer{maxBytes: 100, maxRecords: 10}
	b.reserve(90)
	first, second, third := b.line(50), b.line(10), b.line(5)
	if !b.leave(first) || b.leave(first) {
		t.Error("leave said twice that a waiter stood in line, or never")
	}
	b.release(0, 0)
	if err := <-second.answer; err != nil {
		t.Error(err)
	}
	refused := errors.New("refused")
	b.refuse(refused)
	if err := <-third.answer; err != refused {
		t.Errorf("the last in line got %v, want %v", err, refused)
	}
}
