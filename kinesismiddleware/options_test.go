package kinesismiddleware_test

import (
	"context"
	"strings"
	"testing"

	"github.com/aws/smithy-go/middleware"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/kinesismiddleware"
	"github.com/kinetrail/kinetrail/metrics"
	"github.com/kinetrail/kinetrail/tracecarrier"
)

// wants fails unless there is an error that says all of this.
func wants(t *testing.T, err error, sentences ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("there is no error, want one that says %q", sentences)
		return
	}
	for _, sentence := range sentences {
		if !strings.Contains(err.Error(), sentence) {
			t.Errorf("the error is %q, want one that says %q", err, sentence)
		}
	}
}

func TestWhatCannotWorkIsRefused(t *testing.T) {
	t.Parallel()
	for want, opt := range map[string]option{
		"Carrier headers would have to change Data":             func(o *kinesismiddleware.Options) { o.Carrier = tracecarrier.Headers },
		`Carrier "" is none of`:                                 func(o *kinesismiddleware.Options) { o.Carrier = "" },
		`Carrier "seed" is none of`:                             func(o *kinesismiddleware.Options) { o.Carrier = "seed" },
		"LongKey 7 is neither":                                  func(o *kinesismiddleware.Options) { o.LongKey = 7 },
		"RootSpans true starts no span while Spans is false":    func(o *kinesismiddleware.Options) { o.RootSpans, o.Spans = true, false },
		"MaxRecordBytes 0 is not between 1 and 10485760":        func(o *kinesismiddleware.Options) { o.MaxRecordBytes = 0 },
		"MaxRecordBytes 10485761 is not between 1 and 10485760": func(o *kinesismiddleware.Options) { o.MaxRecordBytes = kinetrail.MaxRecordBytes + 1 },
	} {
		var apiOptions []func(*middleware.Stack) error
		p, err := kinesismiddleware.AppendMiddlewares(&apiOptions, opt)
		wants(t, err, want)
		if p != nil || len(apiOptions) != 0 {
			t.Errorf("%q: something was installed", want)
		}
	}
}

func TestAllThatIsWrongIsSaidAtOnce(t *testing.T) {
	t.Setenv(tracecarrier.EnvironmentVariable, "headers")
	var apiOptions []func(*middleware.Stack) error
	_, err := kinesismiddleware.AppendMiddlewares(&apiOptions, func(o *kinesismiddleware.Options) { o.Carrier, o.MaxRecordBytes = "seed", -1 })
	wants(t, err, `Carrier "seed"`, "MaxRecordBytes -1", `KINETRAIL_PROPAGATION is "headers"`)
}

func TestSetCarrierRefusesWhatAppendMiddlewaresRefuses(t *testing.T) {
	t.Parallel()
	p := with(t)
	wants(t, p.propagation.SetCarrier(tracecarrier.Headers), "would have to change Data")
	wants(t, p.propagation.SetCarrier(""), "is none of")
	if got := p.propagation.Carrier(); got != tracecarrier.Lossless {
		t.Errorf("Carrier() = %s, want lossless as before", got)
	}
}

func TestTheEnvironmentIsStrongerThanTheOptionAndSetCarrier(t *testing.T) {
	for _, tt := range []struct {
		variable     string
		option, want tracecarrier.Carrier
		form         tracecarrier.Form
	}{
		{"off", tracecarrier.Lossless, tracecarrier.Off, tracecarrier.FormPlain},
		{"traceparent", tracecarrier.Lossless, tracecarrier.Traceparent, tracecarrier.FormTraceparent},
		{"traceparent", tracecarrier.Off, tracecarrier.Traceparent, tracecarrier.FormTraceparent},
		{"lossless", tracecarrier.Off, tracecarrier.Lossless, tracecarrier.FormExtended},
		{"", tracecarrier.Traceparent, tracecarrier.Traceparent, tracecarrier.FormTraceparent},
	} {
		t.Run(tt.variable+" over "+string(tt.option), func(t *testing.T) {
			t.Setenv(tracecarrier.EnvironmentVariable, tt.variable)
			p := with(t, carrier(tt.option))
			t.Setenv(tracecarrier.EnvironmentVariable, "nonsense") // it is read once
			ctx, _ := p.span(t)
			p.putRecords(t, ctx, entry("group-1", "data"))
			got := tracecarrier.Read(p.stored(t)["data"].PartitionKey).Form
			if p.propagation.Carrier() != tt.want || got != tt.form {
				t.Errorf("the carrier is %s and the stored key is %s, want %s and %s", p.propagation.Carrier(), got, tt.want, tt.form)
			}
			if err := p.propagation.SetCarrier(tt.want); err != nil {
				t.Errorf("SetCarrier of the carrier in force = %v", err)
			}
			other := tracecarrier.PartitionKey
			err := p.propagation.SetCarrier(other)
			if tt.variable == "" {
				if err != nil || p.propagation.Carrier() != other {
					t.Errorf("SetCarrier = %v and the carrier is %s, want %s without a variable", err, p.propagation.Carrier(), other)
				}
				return
			}
			wants(t, err, "Carrier partition-key is refused, because KINETRAIL_PROPAGATION is set to "+tt.variable)
			if got := p.propagation.Carrier(); got != tt.want {
				t.Errorf("after a refused SetCarrier the carrier is %s, want %s", got, tt.want)
			}
		})
	}
}

func TestABadVariableIsAnErrorWhenTheMiddlewareIsInstalled(t *testing.T) {
	for _, variable := range []string{"headers", "partition-key", "Off", "true"} {
		t.Setenv(tracecarrier.EnvironmentVariable, variable)
		var apiOptions []func(*middleware.Stack) error
		_, err := kinesismiddleware.AppendMiddlewares(&apiOptions)
		wants(t, err, "KINETRAIL_PROPAGATION", variable)
	}
}

// foreignSink hides what kind of sink it is, so that it is fed by a goroutine.
type foreignSink struct{ metrics.Sink }

func TestCloseHandsOverWhatAForeignSinkHasNotTaken(t *testing.T) {
	t.Parallel()
	memory := metrics.NewMemory()
	p := with(t, func(o *kinesismiddleware.Options) { o.Metrics = foreignSink{memory} })
	ctx, _ := p.span(t)
	p.putRecords(t, ctx, entry("group-1", "one"), entry("group-2", "two"))
	if err := p.propagation.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	if got := memory.Counters()["trace_injected_total{stream_name=orders}"]; got != 2 {
		t.Errorf("after Close the sink has %d injected, want 2", got)
	}
	p.putRecords(t, ctx, entry("group-1", "three"))
	readKey(t, p.stored(t)["three"].PartitionKey, p.ended()[1].SpanContext(), "group-1")
}
