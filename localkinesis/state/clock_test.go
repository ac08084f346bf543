package state_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/kinetrail/kinetrail/localkinesis/state"
)

// rang reports whether an alarm has gone off.
func rang(a *state.Alarm) bool {
	select {
	case <-a.C:
		return true
	default:
		return false
	}
}

func TestAClockRunsUntilItIsFrozenAndRunsOnFromThere(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var c state.Clock
		start := time.Date(2023, 11, 14, 0, 0, 0, 0, time.UTC)
		expect := func(what string, want time.Duration) {
			t.Helper()
			if got := c.Now().Sub(start); got != want {
				t.Errorf("%s: the clock is %v past its start; want %v", what, got, want)
			}
		}
		c.Set(start)
		time.Sleep(time.Second) // of the bubble
		expect("running", time.Second)
		c.Freeze()
		time.Sleep(time.Hour)
		expect("frozen", time.Second)
		c.Advance(time.Minute)
		expect("advanced", time.Minute+time.Second)
		c.Run()
		time.Sleep(time.Second)
		expect("running again", time.Minute+2*time.Second)
		c.Set(start.Add(-time.Hour))
		expect("set back", -time.Hour)
	})
}

func TestAnAlarmGoesOffWhenTheClockGetsThereHoweverItDoes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var c state.Clock
		byTime, byHand, stopped := c.Alarm(time.Minute), c.Alarm(time.Hour), c.Alarm(time.Minute)
		stopped.Stop()
		time.Sleep(time.Minute - 1)
		synctest.Wait()
		if rang(byTime) {
			t.Error("an alarm went off early")
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if !rang(byTime) || rang(stopped) {
			t.Errorf("after a minute: rang is %t, of the stopped alarm %t", rang(byTime), rang(stopped))
		}
		c.Freeze()
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		if rang(byHand) {
			t.Error("an alarm went off while the clock stood still")
		}
		c.Advance(time.Hour - time.Minute)
		if !rang(byHand) {
			t.Error("an alarm did not go off when the clock was advanced to it")
		}
		if late := c.Alarm(-time.Second); !rang(late) {
			t.Error("an alarm in the past did not go off at once")
		}
	})
}
