package promsink

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"regexp"
	"slices"
	"unicode/utf8"

	"github.com/kinetrail/kinetrail/metrics"
	"github.com/prometheus/client_golang/prometheus"
)

// DefaultNamespace stands before the name of every metric unless another one is
// chosen.
const DefaultNamespace = "kinetrail"

// Options tunes a Sink. New fills in every default before it calls the caller's
// functions, so a zero written there means zero.
type Options struct {
	// Namespace stands before every name, with an underscore between them.
	// Empty means none. The default is DefaultNamespace.
	Namespace string

	// Registerer takes the metrics. The default is
	// prometheus.DefaultRegisterer, which promhttp.Handler serves.
	Registerer prometheus.Registerer

	// ConstLabels are labels with the same value on every series. The
	// catalogue's own labels are not among them. The default is none.
	ConstLabels map[string]string

	// Buckets replaces the upper bounds of the buckets of single histograms:
	// ascending, without the infinite one. The default is none, and all have
	// those of the catalogue.
	Buckets map[*metrics.Instrument][]float64

	// NativeHistograms adds native buckets to every histogram, each at most a
	// tenth wider than the one before. A Prometheus that scrapes them takes
	// them in place of the classic ones, which stay for all others. The
	// default is false.
	NativeHistograms bool

	// Exemplars puts the trace and span id of a sampled span on the bucket of
	// a histogram's value, for scrapes in the OpenMetrics format. A value
	// within a sampled span then costs about a microsecond more, any other
	// nothing. The default is true.
	Exemplars bool

	// Logger is told, once per instrument, why values are not recorded. Nil
	// means slog.Default().
	Logger *slog.Logger
}

func defaults() Options {
	return Options{
		Namespace:  DefaultNamespace,
		Registerer: prometheus.DefaultRegisterer,
		Exemplars:  true,
	}
}

// labelName is what Prometheus has taken since its first version. Newer ones
// take any text, but neither all exporters nor a query without quotes do.
var labelName = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)

func (o *Options) check() error {
	var wrong []error
	if o.Registerer == nil {
		wrong = append(wrong, errors.New("promsink: Registerer is nil, so nothing would ever be scraped"))
	}
	if o.Namespace != "" && !labelName.MatchString(o.Namespace) {
		wrong = append(wrong, fmt.Errorf("promsink: Namespace %q: it takes letters, digits and underscores and does not begin with a digit", o.Namespace))
	}
	for _, name := range slices.Sorted(maps.Keys(o.ConstLabels)) {
		if err := checkLabel(name, o.ConstLabels[name]); err != nil {
			wrong = append(wrong, fmt.Errorf("promsink: ConstLabels: label %q: %w", name, err))
		}
	}
	for in, bounds := range o.Buckets {
		if err := checkBuckets(in, bounds); err != nil {
			wrong = append(wrong, fmt.Errorf("promsink: Buckets: %w", err))
		}
	}
	return errors.Join(wrong...)
}

func checkLabel(name, value string) error {
	switch {
	case !labelName.MatchString(name):
		return errors.New("its name takes letters, digits and underscores and does not begin with a digit")
	case len(name) > 1 && name[:2] == "__":
		return errors.New("names with two underscores in front belong to Prometheus")
	case name == "le" || name == "quantile":
		return errors.New("the name belongs to Prometheus's histograms and summaries")
	case slices.ContainsFunc(metrics.Catalog(), func(in *metrics.Instrument) bool { return slices.Contains(in.Labels, name) }):
		return errors.New("the clients set it themselves")
	case !utf8.ValidString(value):
		return fmt.Errorf("its value %q is not valid UTF-8", value)
	}
	return nil
}

func checkBuckets(in *metrics.Instrument, bounds []float64) error {
	switch {
	case in == nil:
		return errors.New("an instrument is nil")
	case in.Kind != metrics.KindHistogram:
		return fmt.Errorf("%s is a %s and has no buckets", in.Name, in.Kind)
	case !slices.Contains(metrics.Catalog(), in):
		return fmt.Errorf("%s is not in the catalogue", in.Name)
	case len(bounds) == 0:
		return fmt.Errorf("%s would have none", in.Name)
	}
	for i, bound := range bounds {
		if math.IsNaN(bound) || math.IsInf(bound, 0) || i > 0 && bound <= bounds[i-1] {
			return fmt.Errorf("%s: the bounds %v do not ascend", in.Name, bounds)
		}
	}
	return nil
}

// buckets are those of one histogram.
func (o *Options) buckets(in *metrics.Instrument) []float64 {
	if bounds, ok := o.Buckets[in]; ok {
		return bounds
	}
	return in.Buckets
}
