package cli

import (
	"errors"
	"fmt"
	"net"
	"net/http"

	"github.com/kinetrail/kinetrail/metrics"
	"github.com/kinetrail/kinetrail/metrics/promsink"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/spf13/cobra"
)

// metricsFlag is the flag --metrics of a command.
func metricsFlag(cmd *cobra.Command) *address {
	flag := new(address)
	cmd.Flags().Var(flag, "metrics", "serve Prometheus metrics at `host:port`, path /metrics")
	return flag
}

// serveMetrics serves metrics until stop is called, which must be once, and
// returns the sink that shows there. Without an address it does nothing, and
// the sink drops everything.
func (a *app) serveMetrics(addr address) (sink metrics.Sink, stop func(), err error) {
	if addr == "" {
		return metrics.Noop, func() {}, nil
	}
	registry := prometheus.NewRegistry()
	sink, err = promsink.New(func(o *promsink.Options) { o.Registerer = registry })
	if err != nil {
		return nil, nil, err
	}
	listener, err := net.Listen("tcp", string(addr))
	if err != nil {
		return nil, nil, metricsError(string(addr), err)
	}
	endpoint := http.NewServeMux()
	endpoint.Handle("/metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{EnableOpenMetrics: true}))
	server := &http.Server{Handler: endpoint}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = server.Serve(listener) // until stop closes it
	}()
	fmt.Fprintf(a.stderr, "Metrics are at http://%s/metrics\n", listener.Addr())
	return sink, func() {
		_ = server.Close()
		<-ended
	}, nil
}

// metricsError names the flag that takes another address.
func metricsError(addr string, err error) error {
	err = listenError(addr, err)
	if hinted, ok := errors.AsType[*hintedError](err); ok {
		return &hintedError{err: hinted.err, hint: "Take another port with --metrics; port 0 takes a free one."}
	}
	return err
}
