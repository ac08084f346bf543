package consumer

import (
	"context"
	"net/url"
	"reflect"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	smithyendpoints "github.com/aws/smithy-go/endpoints"
)

func TestTurnsAreSpreadEvenlyOverARoundAndComeOnceInEach(t *testing.T) {
	t.Parallel()
	const round = 4 * time.Second
	for _, seats := range []int{1, 10, 250, 1000} {
		p := &polling{begun: time.Now()}
		together := make(map[time.Duration]int)
		for seat := range uint64(seats) {
			first := p.turn(seat, round, p.begun)
			at := first.Sub(p.begun)
			if at <= 0 || at > round || at%moment != 0 {
				t.Fatalf("seat %d has its first turn %v after the beginning; want it within %v, on the grid of %v", seat, at, round, moment)
			}
			for _, late := range []time.Duration{0, 1, 3 * time.Millisecond, round - 1} {
				if next := p.turn(seat, round, first.Add(late)); next.Sub(first) != round {
					t.Errorf("seat %d was %v late and has its next turn after %v; want %v", seat, late, next.Sub(first), round)
				}
			}
			together[at]++
		}
		most, average := 0, float64(seats)*moment.Seconds()/round.Seconds()
		for _, n := range together {
			most = max(most, n)
		}
		if float64(most) > average+2 {
			t.Errorf("%d seats: %d turns at one moment; want about %.2f", seats, most, average)
		}
	}
}

func TestTurnsKeepTheirDistanceToNow(t *testing.T) {
	t.Parallel()
	p := &polling{begun: time.Now()}
	for seat := range uint64(100) {
		for _, round := range []time.Duration{1, moment - 1, time.Second, time.Minute} {
			for _, now := range []time.Time{p.begun.Add(-time.Hour), p.begun, p.begun.Add(time.Hour + 1)} {
				if in := p.turn(seat, round, now).Sub(now); in <= 0 || in > round {
					t.Errorf("seat %d, a round of %v, %v after the beginning: the turn comes after %v; want more than 0 and at most a round", seat, round, now.Sub(p.begun), in)
				}
			}
		}
	}
}

func TestCallersKeepFewGoroutinesAndUseThemAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var c callers
		waiting := func() int {
			synctest.Wait()
			c.mu.Lock()
			defer c.mu.Unlock()

			return len(c.idle)
		}
		made := 0
		for range 10 {
			c.do(func() { made++ })
		}
		if got := waiting(); made != 10 || got != 1 {
			t.Errorf("%d of 10 calls one after another were made, and %d goroutines wait; want all, and one", made, got)
		}
		const atOnce = 100
		release, ended := make(chan struct{}), make(chan struct{})
		for range atOnce {
			go func() {
				c.do(func() { <-release })
				ended <- struct{}{}
			}()
		}
		if got := waiting(); got != 0 {
			t.Errorf("%d goroutines wait during %d calls; want none", got, atOnce)
		}
		close(release)
		for range atOnce {
			<-ended
		}
		if got := waiting(); got != idleCallers {
			t.Errorf("%d goroutines wait after %d calls at once; want %d", got, atOnce, idleCallers)
		}
		c.close() // a goroutine that were left would fail the test
	})
}

func TestACallWhoseGoroutineTheClientEndsIsOver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var c callers
		c.do(runtime.Goexit)
		made := false
		c.do(func() { made = true })
		if !made {
			t.Error("the call after it was not made")
		}
		c.close()
	})
}

// countingRules are the SDK's, and count how often they are asked.
type countingRules struct {
	kinesis.EndpointResolverV2
	asked int
}

func (r *countingRules) ResolveEndpoint(ctx context.Context, p kinesis.EndpointParameters) (smithyendpoints.Endpoint, error) {
	r.asked++
	return r.EndpointResolverV2.ResolveEndpoint(ctx, p)
}

func TestAnEndpointIsLookedForOnceForCallsThatAreAlike(t *testing.T) {
	t.Parallel()
	const orders, bills = "arn:aws:kinesis:eu-west-1:123456789012:stream/orders", "arn:aws:kinesis:eu-west-1:123456789012:stream/bills"
	sdk := kinesis.NewDefaultEndpointResolverV2()
	rules := &countingRules{EndpointResolverV2: sdk}
	k := &knownEndpoints{rules: rules}
	params := func(change func(*kinesis.EndpointParameters)) kinesis.EndpointParameters {
		p := kinesis.EndpointParameters{Region: aws.String("eu-west-1"), OperationType: aws.String("data"), UseFIPS: aws.Bool(false), UseDualStack: aws.Bool(false)}
		change(&p)
		return p
	}
	for _, tt := range []struct {
		name   string
		change func(*kinesis.EndpointParameters)
		asks   bool
	}{
		{"the first call", func(*kinesis.EndpointParameters) {}, true},
		{"the same again", func(*kinesis.EndpointParameters) {}, false},
		{"a stream by its ARN", func(p *kinesis.EndpointParameters) { p.StreamARN = aws.String(orders) }, true},
		{"another stream", func(p *kinesis.EndpointParameters) { p.StreamARN = aws.String(bills) }, true},
		{"the one before", func(p *kinesis.EndpointParameters) { p.StreamARN = aws.String(orders) }, false},
		{"another operation", func(p *kinesis.EndpointParameters) { p.OperationType = aws.String("control") }, true},
		{"another region", func(p *kinesis.EndpointParameters) { p.Region = aws.String("us-east-1") }, true},
		{"no region", func(p *kinesis.EndpointParameters) { p.Region = nil }, true},
		{"no region again: an error is not kept", func(p *kinesis.EndpointParameters) { p.Region = nil }, true},
		{"an address", func(p *kinesis.EndpointParameters) { p.Endpoint = aws.String("http://localhost:4567") }, true},
		{"the address again", func(p *kinesis.EndpointParameters) { p.Endpoint = aws.String("http://localhost:4567") }, false},
	} {
		before, p := rules.asked, params(tt.change)
		got, err := k.ResolveEndpoint(t.Context(), p)
		want, wantErr := sdk.ResolveEndpoint(t.Context(), p)
		if (err == nil) != (wantErr == nil) || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v; want %+v, %v", tt.name, got, err, want, wantErr)
		}
		if asked := rules.asked > before; asked != tt.asks {
			t.Errorf("%s: the SDK's rules were asked: %t; want %t", tt.name, asked, tt.asks)
		}
	}
}

// elsewhere is a resolver of the caller's own.
type elsewhere struct{}

func (elsewhere) ResolveEndpoint(context.Context, kinesis.EndpointParameters) (smithyendpoints.Endpoint, error) {
	return smithyendpoints.Endpoint{URI: url.URL{Scheme: "http", Host: "elsewhere"}}, nil
}

func TestAResolverOfTheCallersOwnIsAskedEveryTime(t *testing.T) {
	t.Parallel()
	keep := keepEndpoints()
	for _, own := range []kinesis.EndpointResolverV2{elsewhere{}, nil} {
		o := kinesis.Options{EndpointResolverV2: own}
		if keep(&o); o.EndpointResolverV2 != own {
			t.Errorf("the resolver %T became %T; want it kept", own, o.EndpointResolverV2)
		}
	}
	o := kinesis.Options{EndpointResolverV2: kinesis.NewDefaultEndpointResolverV2()}
	keep(&o)
	if _, keeps := o.EndpointResolverV2.(*knownEndpoints); !keeps {
		t.Errorf("the SDK's resolver became %T; want the one that keeps its answers", o.EndpointResolverV2)
	}
}

func TestIdleShardsAreAskedAFewAtOnceUnlessCallsTakeLong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPolling()
		began := time.Now()
		var after []time.Duration
		for range idleLines + 2 {
			hangUp, err := p.line(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			after = append(after, time.Since(began))
			if len(after) == idleLines {
				time.AfterFunc(time.Millisecond, hangUp)
			}
		}
		want := append(make([]time.Duration, idleLines), time.Millisecond, time.Millisecond+patience)
		if !slices.Equal(after, want) {
			t.Errorf("calls begin after %v; want %v", after, want)
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(ErrDraining)
		if _, err := p.line(ctx); err != ErrDraining {
			t.Errorf("with a ctx that has ended: %v; want its cause", err)
		}
	})
}
