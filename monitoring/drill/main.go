// Command drill fires every alert of kinetrail once, in a real Prometheus:
//
//	producers, consumers ─► localkinesis          faults: requests, checkpoints, handlers, leases, a split
//	         └─► promsink ─► /metrics ◄── prometheus ◄── monitoring/alerts, a minute in two seconds
//
// It waits until everything runs and nothing is alerted, lets all faults strike,
// waits until each alert fires, mends what it broke and waits until each alert
// is gone. Every recording rule must have had a value meanwhile. It prints how
// long each took; an alert that does not come or go within the time makes it
// fail. "make monitoring" runs it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	program := flag.String("prometheus", "prometheus", "the `program` to run")
	rules := flag.String("rules", "monitoring/alerts", "the `folder` of the rules")
	patience := flag.Duration("patience", 3*time.Minute, "how long the alerts may take to come, and to go")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := drill(ctx, *program, *rules, *patience); err != nil {
		fmt.Fprintln(os.Stderr, "drill:", err)
		os.Exit(1)
	}
}

func drill(ctx context.Context, program, rules string, patience time.Duration) (err error) {
	s, err := newScene(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.end()) }()
	p, err := startPrometheus(ctx, program, rules, s.address())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.stop()) }()

	if err := p.awaitRecorded(ctx, patience); err != nil {
		return fmt.Errorf("%w\n%s", err, p.log())
	}
	if early, err := p.firing(ctx); err != nil || len(early) > 0 {
		return errors.Join(err, fmt.Errorf("before any fault these fire: %v", early))
	}
	fmt.Println("everything runs, every recording rule has a value, and nothing is alerted")

	if err := s.strike(ctx); err != nil {
		return err
	}
	fired, err := p.await(ctx, patience, s.alerts(), true)
	if err != nil {
		return err
	}
	if err := s.mend(ctx); err != nil {
		return err
	}
	resolved, err := p.await(ctx, patience, s.alerts(), false)
	if err != nil {
		return err
	}
	fmt.Printf("%-28s %12s %14s\n", "alert", "fired after", "resolved after")
	for _, name := range s.alerts() {
		fmt.Printf("%-28s %12s %14s\n", name, fired[name].Round(time.Second/10), resolved[name].Round(time.Second/10))
	}
	return nil
}

// await waits until every alert fires for its own stream, or none does, and
// returns how long each took.
func (p *prometheus) await(ctx context.Context, patience time.Duration, alerts []string, fires bool) (map[string]time.Duration, error) {
	took := make(map[string]time.Duration)
	start := time.Now()
	err := every(ctx, patience, func() (bool, error) {
		firing, err := p.firing(ctx)
		if err != nil {
			return false, err
		}
		for _, name := range alerts {
			if _, done := took[name]; !done && slices.Contains(firing, alert{name, streamOf(name)}) == fires {
				took[name] = time.Since(start)
			}
		}
		return len(took) == len(alerts), nil
	})
	if err == nil {
		return took, nil
	}
	missing := slices.DeleteFunc(slices.Clone(alerts), func(name string) bool { _, ok := took[name]; return ok })
	verb := map[bool]string{true: "do not fire", false: "do not resolve"}[fires]
	return nil, fmt.Errorf("these %s: %s: %w", verb, strings.Join(missing, ", "), err)
}

// every asks twice a second until it is answered true, for so long.
func every(ctx context.Context, patience time.Duration, ask func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(time.Second / 2)
	defer tick.Stop()
	for {
		done, err := ask()
		if done && err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("after %s: %w", patience, ctx.Err()), err)
		case <-tick.C:
		}
	}
}
