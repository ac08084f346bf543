package metrics_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/kinetrail/kinetrail/metrics"
)

// published is the catalogue as dashboards, rules and other people's alerts
// know it. A line changes only together with them.
var published = []struct {
	name    string
	kind    metrics.Kind
	labels  string
	buckets []float64
}{
	{"producer_records_sent_total", metrics.KindCounter, "stream_name", nil},
	{"producer_bytes_sent_total", metrics.KindCounter, "stream_name", nil},
	{"producer_errors_total", metrics.KindCounter, "stream_name error_type", nil},
	{"producer_throttles_total", metrics.KindCounter, "stream_name", nil},
	{"producer_batch_size", metrics.KindHistogram, "stream_name", []float64{1, 5, 10, 25, 50, 100, 250, 500}},
	{"producer_queue_size", metrics.KindGauge, "stream_name", nil},
	{"producer_flush_duration_seconds", metrics.KindHistogram, "stream_name", []float64{.001, .005, .01, .025, .05, .1, .25, .5, 1, 2.5}},
	{"consumer_records_received_total", metrics.KindCounter, "stream_name shard_id", nil},
	{"consumer_bytes_received_total", metrics.KindCounter, "stream_name shard_id", nil},
	{"consumer_errors_total", metrics.KindCounter, "stream_name shard_id error_type", nil},
	{"consumer_checkpoint_success_total", metrics.KindCounter, "stream_name shard_id", nil},
	{"consumer_checkpoint_failure_total", metrics.KindCounter, "stream_name shard_id", nil},
	{"consumer_iterator_age_milliseconds", metrics.KindGauge, "stream_name shard_id", nil},
	{"consumer_queue_size", metrics.KindGauge, "stream_name", nil},
	{"consumer_lag_records", metrics.KindGauge, "stream_name shard_id", nil},
	{"consumer_processing_time_seconds", metrics.KindHistogram, "stream_name shard_id", []float64{.001, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5}},
	{"stream_shards_active", metrics.KindGauge, "stream_name", nil},
	{"stream_shards_closed", metrics.KindGauge, "stream_name", nil},
	{"stream_resharding_events_total", metrics.KindCounter, "stream_name", nil},
	{"producer_user_records_put_total", metrics.KindCounter, "stream_name", nil},
	{"producer_user_records_sent_total", metrics.KindCounter, "stream_name", nil},
	{"producer_user_records_failed_total", metrics.KindCounter, "stream_name error_type", nil},
	{"producer_retries_total", metrics.KindCounter, "stream_name", nil},
	{"producer_wrong_shard_total", metrics.KindCounter, "stream_name", nil},
	{"producer_buffered_bytes", metrics.KindGauge, "stream_name", nil},
	{"producer_aggregation_ratio", metrics.KindHistogram, "stream_name", []float64{1, 2, 5, 10, 25, 50, 100, 250, 500, 1000}},
	{"trace_injected_total", metrics.KindCounter, "stream_name", nil},
	{"trace_skipped_total", metrics.KindCounter, "stream_name reason", nil},
	{"trace_extracted_total", metrics.KindCounter, "stream_name", nil},
	{"trace_malformed_total", metrics.KindCounter, "stream_name", nil},
	{"trace_unknown_version_total", metrics.KindCounter, "stream_name", nil},
	{"consumer_user_records_handled_total", metrics.KindCounter, "stream_name shard_id", nil},
	{"consumer_handler_errors_total", metrics.KindCounter, "stream_name shard_id", nil},
	{"consumer_dead_letters_total", metrics.KindCounter, "stream_name shard_id", nil},
	{"consumer_deaggregation_failures_total", metrics.KindCounter, "stream_name shard_id", nil},
	{"consumer_out_of_range_total", metrics.KindCounter, "stream_name shard_id", nil},
	{"consumer_fanout_reconnects_total", metrics.KindCounter, "stream_name shard_id", nil},
	{"consumer_end_to_end_latency_seconds", metrics.KindHistogram, "stream_name", []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 1800}},
	{"consumer_leases_held", metrics.KindGauge, "stream_name", nil},
	{"consumer_leases_lost_total", metrics.KindCounter, "stream_name", nil},
	{"consumer_leases_taken_total", metrics.KindCounter, "stream_name", nil},
	{"consumer_shards_stalled", metrics.KindGauge, "stream_name", nil},
}

func TestCatalogHoldsThePublishedInstrumentsInTheirOrderAndNoOthers(t *testing.T) {
	t.Parallel()
	all := metrics.Catalog()
	for i, in := range all {
		if i >= len(published) || in.Name != published[i].name {
			t.Fatalf("instrument %d of the catalogue is %s; want the published ones in their order", i, in.Name)
		}
		want := published[i]
		if in.Kind != want.kind {
			t.Errorf("%s is a %s; want a %s", in.Name, in.Kind, want.kind)
		}
		if got := strings.Join(in.Labels, " "); got != want.labels {
			t.Errorf("%s has the labels %q; want %q", in.Name, got, want.labels)
		}
		if !slices.Equal(in.Buckets, want.buckets) {
			t.Errorf("%s has the buckets %v; want %v", in.Name, in.Buckets, want.buckets)
		}
	}
	for _, missing := range published[len(all):] {
		t.Errorf("the catalogue lacks %s", missing.name)
	}
}

// Acceptance criterion A11, and the rules of Prometheus and OpenTelemetry that
// the published table cannot show.
func TestEveryInstrumentIsWellFormed(t *testing.T) {
	t.Parallel()
	lowerCase := regexp.MustCompile(`^[a-z][a-z0-9]*(_[a-z0-9]+)*$`)
	seen := map[string]bool{}
	for _, in := range metrics.Catalog() {
		if seen[in.Name] {
			t.Errorf("%s is there twice", in.Name)
		}
		seen[in.Name] = true
		if !lowerCase.MatchString(in.Name) {
			t.Errorf("name %q; want lower case and single underscores", in.Name)
		}
		if got, want := strings.HasSuffix(in.Name, "_total"), in.Kind == metrics.KindCounter; got != want {
			t.Errorf("%s is a %s; names of counters, and no others, end in _total", in.Name, in.Kind)
		}
		for _, label := range in.Labels {
			if !lowerCase.MatchString(label) {
				t.Errorf("%s has the label %q; want lower case and single underscores", in.Name, label)
			}
		}
		for suffix, unit := range map[string]string{"_seconds": "s", "_milliseconds": "ms"} {
			if strings.HasSuffix(in.Name, suffix) && in.Unit != unit {
				t.Errorf("%s has the unit %q; want %q", in.Name, in.Unit, unit)
			}
		}
		if in.Unit == "" {
			t.Errorf("%s has no unit", in.Name)
		}
		if !strings.HasSuffix(in.Help, ".") || strings.ContainsAny(in.Help, "\n\t") {
			t.Errorf("%s has the help %q; want whole sentences on one line", in.Name, in.Help)
		}
		if (len(in.Buckets) > 0) != (in.Kind == metrics.KindHistogram) {
			t.Errorf("%s is a %s with %d buckets; histograms, and no others, have some", in.Name, in.Kind, len(in.Buckets))
		}
		if !slices.IsSorted(in.Buckets) || len(slices.Compact(slices.Clone(in.Buckets))) != len(in.Buckets) {
			t.Errorf("%s has the buckets %v; want them ascending", in.Name, in.Buckets)
		}
	}
}

func TestLabelValuesThatAreKnownBeforehandAreInTheCatalogue(t *testing.T) {
	t.Parallel()
	want := map[string]string{
		"producer_errors_total":              "connection timeout unknown",
		"producer_user_records_failed_total": "connection timeout unknown",
		"consumer_errors_total":              "connection timeout unknown",
		"trace_skipped_total":                "no_carrier key_length size invalid_utf8 aggregated existing",
	}
	for _, in := range metrics.Catalog() {
		if got := strings.Join(in.Known, " "); got != want[in.Name] {
			t.Errorf("%s has the known values %q; want %q", in.Name, got, want[in.Name])
		}
	}
}

// The variable of an instrument can be guessed from its name.
func TestVariablesAreNamedAfterTheirInstruments(t *testing.T) {
	t.Parallel()
	file, err := parser.ParseFile(token.NewFileSet(), "catalog.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || !spec.Names[0].IsExported() {
			return true
		}
		name, err := strconv.Unquote(spec.Values[0].(*ast.CallExpr).Args[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		want := ""
		for _, suffix := range []string{"_total", "_seconds", "_milliseconds"} {
			name = strings.TrimSuffix(name, suffix)
		}
		for word := range strings.SplitSeq(name, "_") {
			want += strings.ToUpper(word[:1]) + word[1:]
		}
		if got := spec.Names[0].Name; got != want {
			t.Errorf("the variable of %s is %s; want %s", name, got, want)
		}
		found++
		return true
	})
	if found != len(published) {
		t.Errorf("found %d variables; want %d", found, len(published))
	}
}

func TestCatalogCannotBeChangedThroughItsSlice(t *testing.T) {
	t.Parallel()
	metrics.Catalog()[0] = nil
	if got := metrics.Catalog()[0]; got != metrics.ProducerRecordsSent {
		t.Errorf("Catalog()[0] = %v after it was overwritten; want ProducerRecordsSent", got)
	}
}
