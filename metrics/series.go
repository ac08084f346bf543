package metrics

import (
	"log/slog"
	"slices"
	"strings"
	"sync"
)

// series is one instrument with one set of label values.
type series struct {
	in     *Instrument
	values []string
}

// newSeries copies the values: they may be parts of a page of records, which
// they would keep in memory.
func newSeries(in *Instrument, labelValues []string) series {
	values := make([]string, len(labelValues))
	for i, value := range labelValues {
		values[i] = strings.Clone(value)
	}
	return series{in: in, values: values}
}

// beginsWith reports whether s belongs to in and its label values begin with
// these.
func (s *series) beginsWith(in *Instrument, labelValues []string) bool {
	return s.in == in && slices.Equal(s.values[:len(labelValues)], labelValues)
}

// appendKey appends the text that identifies a series: name{label=value,…}
// with the labels sorted, or the bare name without labels. A backslash stands
// before each comma, equals sign and backslash in a value, so that two series
// never share a key.
func appendKey(dst []byte, in *Instrument, labelValues []string) []byte {
	dst = append(dst, in.Name...)
	if len(in.Labels) == 0 {
		return dst
	}
	var few [4]int
	order := few[:0]
	for i := range in.Labels {
		order = append(order, i)
	}
	slices.SortFunc(order, func(a, b int) int { return strings.Compare(in.Labels[a], in.Labels[b]) })

	separator := byte('{')
	for _, i := range order {
		dst = append(dst, separator)
		dst = append(dst, in.Labels[i]...)
		dst = append(dst, '=')
		dst = appendEscaped(dst, labelValues[i])
		separator = ','
	}
	return append(dst, '}')
}

func appendEscaped(dst []byte, value string) []byte {
	for i := range len(value) {
		switch value[i] {
		case ',', '=', '\\':
			dst = append(dst, '\\')
		}
		dst = append(dst, value[i])
	}
	return dst
}

// misuse reports the wrong use of an instrument, once for each instrument.
type misuse struct {
	logger   *slog.Logger // nil means slog.Default()
	reported sync.Map     // of *Instrument
}

func (m *misuse) report(in *Instrument, err error) {
	if _, before := m.reported.LoadOrStore(in, struct{}{}); !before {
		orDefault(m.logger).Warn("metrics: values are not recorded", "reason", err)
	}
}

func orDefault(logger *slog.Logger) *slog.Logger {
	if logger == nil {
		return slog.Default()
	}
	return logger
}
