package localkinesis_test

import (
	"reflect"
	"testing"
	"time"

	"github.com/kinetrail/kinetrail/localkinesis"
)

func TestStreamsOfEveryRegionCanBeInspected(t *testing.T) {
	t.Parallel()
	s := tabled(t)
	tagged(t, s)
	onDemand(t, s)
	if err := putOne(s.Client(once, inOregon), "k"); err == nil {
		t.Error("a put in another region succeeded")
	}
	created := at(t, "2023-11-14T09:31:26Z")
	want := []localkinesis.Stream{
		{Name: "ondemand", ARN: arnOfOnDemand, Region: "us-east-1", Status: "ACTIVE", OnDemand: true, CreatedAt: created, Retention: 24 * time.Hour},
		{Name: "orders", ARN: arnOfOrders, Region: "us-east-1", Status: "ACTIVE", CreatedAt: created, Retention: 24 * time.Hour, Tags: map[string]string{"a": "1", "b": "2"}},
	}
	if got := s.Streams(); !reflect.DeepEqual(got, want) {
		t.Errorf("Streams() = %+v; want %+v", got, want)
	}
}

func TestCallsAreKeptInTheirOrderUpToTheirNumber(t *testing.T) {
	t.Parallel()
	s := inProcess(t, withStream("orders", 1), func(o *localkinesis.Options) { o.KeepCalls = 2 })
	for _, operation := range []string{"ListStreams", "DescribeLimits", "Nothing"} {
		send(t, s, operation, `{}`)
	}
	calls := s.Calls()
	if len(calls) != 2 || calls[0].Operation != "DescribeLimits" || calls[0].Status != 200 || calls[0].Region != "us-east-1" ||
		calls[1].Number != 3 || calls[1].Operation != "Nothing" || calls[1].Status != 400 || calls[1].Error != "UnknownOperationException" {
		t.Errorf("Calls() = %+v; want the last two of three", calls)
	}
}
