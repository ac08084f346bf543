package cli

import (
	"errors"
	"time"

	"github.com/kinetrail/kinetrail"
)

// fromFlag is a flag: where to begin to read.
type fromFlag struct {
	text     string
	position kinetrail.Position
}

func (f *fromFlag) String() string { return f.text }
func (f *fromFlag) Type() string   { return "place" }
func (f *fromFlag) Set(text string) error {
	position, err := parseFrom(text, time.Now())
	if err != nil {
		return err
	}
	*f = fromFlag{text: text, position: position}
	return nil
}

// timeLayouts are the ways to write a time. Without a zone it is UTC.
var timeLayouts = []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02 15:04", time.DateOnly}

// parseFrom reads latest, trim-horizon, a time, or how long before now.
func parseFrom(text string, now time.Time) (kinetrail.Position, error) {
	switch text {
	case "latest":
		return kinetrail.Latest(), nil
	case "trim-horizon":
		return kinetrail.TrimHorizon(), nil
	}
	if ago, err := time.ParseDuration(text); err == nil && ago >= 0 {
		return kinetrail.AtTime(now.Add(-ago).Truncate(time.Millisecond)), nil // as precise as Kinesis is
	}
	for _, layout := range timeLayouts {
		if t, err := time.Parse(layout, text); err == nil {
			return kinetrail.AtTime(t), nil
		}
	}
	return kinetrail.Position{}, errors.New("it takes latest, trim-horizon, a time such as 2026-11-20T09:30:00Z, or how long ago, such as 15m")
}
