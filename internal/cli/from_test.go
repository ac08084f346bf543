package cli

import (
	"testing"
	"time"

	"github.com/kinetrail/kinetrail"
)

func TestFromTakesPlacesTimesAndDurations(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	tests := []struct {
		text string
		want kinetrail.Position
	}{
		{"latest", kinetrail.Latest()},
		{"trim-horizon", kinetrail.TrimHorizon()},
		{"15m", kinetrail.AtTime(now.Add(-15 * time.Minute))},
		{"1h30m", kinetrail.AtTime(now.Add(-90 * time.Minute))},
		{"2026-11-20T09:30:00Z", kinetrail.AtTime(now.Add(-150 * time.Minute))},
		{"2026-11-20T09:30:00.250+01:00", kinetrail.AtTime(now.Add(-210*time.Minute + 250*time.Millisecond))},
		{"2026-11-20 09:30", kinetrail.AtTime(now.Add(-150 * time.Minute))},
		{"2026-11-20", kinetrail.AtTime(now.Add(-12 * time.Hour))},
	}
	for _, tt := range tests {
		if got, err := parseFrom(tt.text, now); err != nil || got != tt.want {
			t.Errorf("parseFrom(%q) = %v, %v; want %v", tt.text, got, err, tt.want)
		}
	}
	for _, text := range []string{"", "yesterday", "-5m", "LATEST", "09:30"} {
		if got, err := parseFrom(text, now); err == nil {
			t.Errorf("parseFrom(%q) = %v; want an error", text, got)
		}
	}
}
