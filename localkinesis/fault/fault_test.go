package fault_test

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/kinetrail/kinetrail/localkinesis/fault"
)

func Example() {
	var faults fault.Set
	rule, err := fault.Parse("PutRecords nth=2 records=1")
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := faults.Add(rule); err != nil {
		fmt.Println(err)
		return
	}
	for range 3 {
		effects := faults.Meet(fault.Call{Operation: "PutRecords", Shards: []string{"shardId-000000000000"}})
		fmt.Println(len(effects.Failed))
	}
	// Output:
	// 0
	// 1
	// 0
}

func TestTextFormReadsBack(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		text string
		want fault.Rule
	}{
		{"PutRecords nth=3 error=X", fault.Rule{Operation: "PutRecords", Nth: 3, Error: "X"}},
		{"* stream=orders shard=shardId-000000000001 times=2 p=0.25 seed=7 delay=300ms", fault.Rule{
			Stream: "orders", Shard: "shardId-000000000001", Times: 2, Probability: 0.25, Seed: 7, Delay: 300 * time.Millisecond}},
		{"GetRecords clock=-6m0s", fault.Rule{Operation: "GetRecords", Clock: -6 * time.Minute}},
		{"PutRecords records=4 drop=after", fault.Rule{Operation: "PutRecords", Records: 4, Drop: fault.DropAfter}},
		{"ListShards stale", fault.Rule{Operation: "ListShards", Stale: true}},
		{"SubscribeToShard cut=2", fault.Rule{Operation: "SubscribeToShard", Cut: 2}},
	} {
		got, err := fault.Parse(tt.text)
		if err != nil || got != tt.want {
			t.Errorf("Parse(%q) = %+v, %v; want %+v", tt.text, got, err, tt.want)
		}
		if tt.text != got.String() {
			t.Errorf("%+v.String() = %q; want %q", got, &got, tt.text)
		}
	}
}

func TestRulesThatCannotBeMeantAreRefusedWithAReason(t *testing.T) {
	t.Parallel()
	for text, reason := range map[string]string{
		"":                               "not what happens",
		"PutRecord":                      "not what happens",
		"PutRecord nth=0 error=X":        `nth is "0", not a whole number above zero`,
		"PutRecord p=2 error=X":          `p is "2", not a number above 0 and at most 1`,
		"PutRecord p=NaN error=X":        "not a number above 0",
		"PutRecord seed=-1 error=X":      `seed is "-1", not a whole number`,
		"PutRecord delay=soon":           `delay is "soon", not a duration`,
		"PutRecord delay=-1s":            "below zero",
		"PutRecord drop=later":           `drop is "later", not before or after`,
		"PutRecord records=1":            "records fail in PutRecords only",
		"GetRecords cut=1":               "only a SubscribeToShard can be cut",
		"PutRecord error=X again":        `"again" is no name=value`,
		"Nonsense nth=1 error=X":         `Kinesis has no operation "Nonsense"`,
		"Putrecords nth=1 error=X":       `Kinesis has no operation "Putrecords"`,
		"Nonsense":                       `Kinesis has no operation "Nonsense"`,
		"PutRecord often=1":              `"often" is none of stream, shard, nth`,
		"PutRecord nth=1 times=x drop=x": `times is "x"`,
	} {
		rule, err := fault.Parse(text)
		if !errors.Is(err, fault.ErrInvalidRule) || !strings.Contains(err.Error(), reason) {
			t.Errorf("Parse(%q) = %+v, %v; want ErrInvalidRule with %q", text, rule, err, reason)
		}
	}
}

func TestEveryOperationOfTheServiceCanFail(t *testing.T) {
	t.Parallel()
	client := reflect.TypeFor[*kinesis.Client]()
	var operations int
	for method := range client.Methods() {
		if method.Name == "Options" { // the only method that is no operation
			continue
		}
		operations++
		if _, err := fault.Parse(method.Name + " error=X"); err != nil {
			t.Error(err)
		}
	}
	if operations != 45 {
		t.Errorf("the SDK's client has %d operations; want 45", operations)
	}
}

func TestASeedPicksTheRecordsThatFailAndWithoutOneTheFirstDo(t *testing.T) {
	t.Parallel()
	failed := func(seed uint64) string {
		var faults fault.Set
		if err := faults.Add(fault.Rule{Operation: "PutRecords", Records: 2, Seed: seed}); err != nil {
			t.Fatal(err)
		}
		e := faults.Meet(fault.Call{Operation: "PutRecords", Shards: make([]string, 9)})
		return fmt.Sprint(slices.Sorted(maps.Keys(e.Failed)))
	}
	if got := failed(0); got != "[0 1]" {
		t.Errorf("without a seed %s fail; want the first two", got)
	}
	seen := map[string]bool{}
	for seed := range uint64(20) {
		one, again := failed(seed+1), failed(seed+1)
		if one != again || len(strings.Fields(one)) != 2 {
			t.Errorf("seed %d: %s, and again %s; want the same two records", seed+1, one, again)
		}
		seen[one] = true
	}
	if len(seen) < 10 {
		t.Errorf("20 seeds pick %d different pairs of 36: %v; want at least 10", len(seen), seen)
	}
}

func TestEffectsOfRulesAddUpAndTheFirstErrorDecides(t *testing.T) {
	t.Parallel()
	var faults fault.Set
	err := faults.Add(
		fault.Rule{Delay: time.Second, Drop: fault.DropAfter, Error: "A"},
		fault.Rule{Delay: time.Second, Drop: fault.DropBefore, Error: "B"},
		fault.Rule{Operation: "PutRecords", Records: 1, Error: "C"},
		fault.Rule{Operation: "PutRecords", Records: 2, Error: "D"},
	)
	if err != nil {
		t.Fatal(err)
	}
	got := faults.Meet(fault.Call{Operation: "PutRecords", Shards: make([]string, 3)})
	want := fault.Effects{
		Delay: 2 * time.Second, Drop: fault.DropAfter, Error: "A",
		Failed: map[int]fault.Failure{0: {Error: "C"}, 1: {Error: "D"}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("the effects are %+v; want %+v", got, want)
	}
}

func TestASetWithAnInvalidRuleStaysAsItWas(t *testing.T) {
	t.Parallel()
	var faults fault.Set
	for _, bad := range []fault.Rule{
		{}, {Operation: "Putrecords", Error: "X"},
		{Nth: -1, Error: "X"}, {Times: -1, Error: "X"}, {Delay: -1},
		{Operation: "PutRecords", Records: -1, Error: "X"}, {Operation: "SubscribeToShard", Cut: -1, Error: "X"},
		{Probability: -0.5, Error: "X"}, {Probability: math.NaN(), Error: "X"},
	} {
		if err := faults.Add(fault.Rule{Error: "X"}, bad); !errors.Is(err, fault.ErrInvalidRule) {
			t.Errorf("Add of %s = %v; want ErrInvalidRule", &bad, err)
		}
	}
	if faults.Armed() || len(faults.Hits()) != 0 {
		t.Errorf("the set has rules: %v", faults.Hits())
	}
}

func TestNthAndTimesPickTheCalls(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		rule fault.Rule
		want string // x: struck
	}{
		{fault.Rule{Nth: 2}, ".x..."},
		{fault.Rule{Nth: 2, Times: 2}, ".xx.."},
		{fault.Rule{Times: 2}, "xx..."},
		{fault.Rule{}, "xxxxx"},
	} {
		var faults fault.Set
		tt.rule.Error = "X"
		if err := faults.Add(tt.rule); err != nil {
			t.Fatal(err)
		}
		var got strings.Builder
		for range 5 {
			if faults.Meet(fault.Call{Operation: "PutRecord"}).Error == "X" {
				got.WriteByte('x')
			} else {
				got.WriteByte('.')
			}
		}
		if got.String() != tt.want {
			t.Errorf("%s struck %s; want %s", &tt.rule, &got, tt.want)
		}
	}
}
