package oracle

import "testing"

func TestAProgramFollowsFromItsSeedAndHoldsWhatItMust(t *testing.T) {
	t.Parallel()
	for seed := range uint64(500) {
		p := generate(seed, virtual)
		if again := generate(seed, virtual); p.String() != again.String() {
			t.Fatalf("the seed %d makes\n%vand\n%v", seed, p, again)
		}
		records, reshards, crashes := 0, 0, 0
		for _, s := range p.Steps {
			switch s.Do {
			case put:
				records += s.N
			case split, merge, scale:
				reshards++
			case crash:
				crashes++
			}
		}
		if p.Workers < leastWorkers || records < leastRecords || reshards == 0 || crashes == 0 {
			t.Errorf("%vhas %d workers, %d records, %d reshards and %d crashes; want %d, %d, one and one", p, p.Workers, records, reshards, crashes, leastWorkers, leastRecords)
		}
	}
}

func TestARecordFollowsFromItsIDAndSaysIt(t *testing.T) {
	t.Parallel()
	p := generate(1, virtual)
	for n := range 200 {
		id := newID(n%len(p.Writers), n)
		r := record(p.Seed, p.Writers, id)
		if got, ok := idOf(r.Data); !ok || got != id {
			t.Fatalf("the payload of record %v says %v, %t", id, got, ok)
		}
		r.OriginalKeyKnown = true
		r.Data[len(r.Data)-1]++
		if differences(p.Seed, p.Writers, id, &r) == "" {
			t.Fatalf("record %v with another payload passes", id)
		}
	}
}
