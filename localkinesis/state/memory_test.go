package state_test

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/kinetrail/kinetrail/localkinesis/state"
)

// inUse is the memory in use once garbage is collected.
func inUse() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// It looks at the memory of the whole process, so it does not run in parallel.
func TestASmallRecordTakesLittleMoreThanItsBytes(t *testing.T) {
	account, err := state.NewAccount(state.Config{Clock: &state.Clock{}, ID: "000000000000", ShardLimit: 10})
	if err != nil {
		t.Fatal(err)
	}
	region, _, err := account.Region("us-east-1")
	if err != nil {
		t.Fatal(err)
	}
	if err := region.CreateStream(state.CreateStream{Name: "orders", Shards: 4}); err != nil {
		t.Fatal(err)
	}
	stream, err := region.Stream("orders")
	if err != nil {
		t.Fatal(err)
	}
	const records, bytes, most = 100_000, 100, 250
	data, keys := make([]byte, bytes), 0
	before := inUse()
	for i := range records {
		key := fmt.Sprint("customer-", i)
		keys += len(key)
		if _, _, err := stream.Put(account.Clock.Now(), key, nil, data); err != nil {
			t.Fatal(err)
		}
	}
	beyond := (float64(inUse()-before) - float64(keys)) / records
	beyond -= bytes
	t.Logf("a record takes %.0f bytes beyond its data and key", beyond)
	if beyond > most {
		t.Errorf("a record takes %.0f bytes beyond its data and key; want at most %d", beyond, most)
	}
	runtime.KeepAlive(account)
}
