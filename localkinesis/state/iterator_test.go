package state_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/kinetrail/kinetrail/localkinesis/state"
)

// newSealer is the sealer of a new account.
func newSealer(t interface{ Fatal(...any) }) *state.Sealer {
	account, err := state.NewAccount(state.Config{Clock: &state.Clock{}, ID: "000000000000"})
	if err != nil {
		t.Fatal(err)
	}
	return account.Sealer()
}

func FuzzIteratorsReadBackAndAreRefusedOnceChanged(f *testing.F) {
	sealer := newSealer(f)
	f.Add("orders", int64(1_699_954_283), uint32(0), uint64(1), int64(1_699_954_286_123), 40, byte(1))
	f.Add("a.b-c_d", int64(0), uint32(1<<31-1), uint64(1<<63-1), int64(0), 0, byte(255))
	f.Add(strings.Repeat("x", 128), int64(1<<35), uint32(7), uint64(0), int64(-1), 300, byte(0x80))
	f.Fuzz(func(t *testing.T, stream string, created int64, shard uint32, next uint64, issued int64, at int, flip byte) {
		it := state.Iterator{Stream: stream, Created: created, Shard: shard, Next: next, Issued: issued}
		text := sealer.SealIterator(it)
		now := time.UnixMilli(issued)
		if got, err := sealer.OpenIterator(text, now); err != nil || got != it {
			t.Fatalf("%+v as %s reads as %+v, %v", it, text, got, err)
		}
		if other := sealer.SealIterator(it); other == text {
			t.Errorf("%+v is %s twice; want different texts", it, text)
		}
		changed := []byte(text)
		i := int(uint(at) % uint(len(changed)))
		if changed[i] ^= flip; flip != 0 {
			if got, err := sealer.OpenIterator(string(changed), now); err == nil {
				t.Errorf("%s, changed from %s, reads as %+v", changed, text, got)
			}
		}
	})
}

func FuzzTextsThatAreNoIteratorsAreRefused(f *testing.F) {
	sealer := newSealer(f)
	token := sealer.SealToken("shards", state.Token{Stream: "orders", Created: 1, After: "shardId-000000000000", Issued: 1})
	for _, text := range []string{"", "AAAAAAAAAAE=", "AAAAAAAAAAE", strings.Repeat("A", 512), "\x00", token, token[:20]} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		it, err := sealer.OpenIterator(text, time.UnixMilli(1))
		if refused, ok := errors.AsType[*state.Error](err); !ok || refused.Code != state.InvalidArgument {
			t.Errorf("%q reads as %+v, %v; want InvalidArgumentException", text, it, err)
		}
		if _, err := sealer.OpenToken("shards", text, time.UnixMilli(1)); err == nil && text != token {
			t.Errorf("%q is a token", text)
		}
	})
}
