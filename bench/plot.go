package main

import (
	"image/color"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	_ "gonum.org/v1/plot/vg/vgsvg" // the format of the file
)

// plotted are the clients in the plot: one bar each, of CPU time per record.
var plotted = []struct{ workload, client, label string }{
	{"put-100", "sdk", "SDK"},
	{"put-100", "sdk+by-hand", "SDK + by hand"},
	{"put-100", "a8m", "a8m"},
	{"put-100", "besteffort", "BestEffort"},
	{"put-100", "perkey", "PerKey"},
	{"put-100", "byshard", "ByShard"},
	{"get-100", "sdk", "SDK get"},
	{"get-100", "harlow", "harlow get"},
	{"get-100", "read", "Read"},
}

// plot draws the bars of 100-byte records.
func (r *report) plot(file string) error {
	p := plot.New()
	p.Title.Text = "CPU time for a record of 100 bytes, in microseconds"
	p.Y.Min = 0
	var labels []string
	var values plotter.Values
	for _, bar := range plotted {
		if x, ok := r.find(bar.workload, bar.client); ok {
			labels, values = append(labels, bar.label), append(values, x.cpu)
		}
	}
	bars, err := plotter.NewBarChart(values, vg.Points(32))
	if err != nil {
		return err
	}
	bars.Color = color.RGBA{R: 0x2b, G: 0x6c, B: 0xb0, A: 0xff}
	bars.LineStyle.Width = 0
	p.Add(bars)
	p.NominalX(labels...)
	return p.Save(9*vg.Inch, 3.5*vg.Inch, file)
}
