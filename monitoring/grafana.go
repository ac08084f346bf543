package main

import "strings"

// Grafana's JSON model of a dashboard, as far as it is used here: see "JSON
// model" and "Time series" in Grafana's manual, version 10 and later.

const schemaVersion = 39 // of Grafana 10.4

type dashboard struct {
	UID           string         `json:"uid"`
	Title         string         `json:"title"`
	Description   string         `json:"description"`
	Tags          []string       `json:"tags"`
	Editable      bool           `json:"editable"`
	GraphTooltip  int            `json:"graphTooltip"` // 1 is a crosshair in all panels
	Refresh       string         `json:"refresh"`
	SchemaVersion int            `json:"schemaVersion"`
	Time          timeRange      `json:"time"`
	Templating    templating     `json:"templating"`
	Panels        []grafanaPanel `json:"panels"`
}

type timeRange struct {
	From string `json:"from"`
	To   string `json:"to"`
}

type templating struct {
	List []variable `json:"list"`
}

type variable struct {
	Name       string      `json:"name"`
	Label      string      `json:"label,omitempty"`
	Type       string      `json:"type"`
	Query      any         `json:"query"`
	Datasource *datasource `json:"datasource,omitempty"`
	Current    *option     `json:"current,omitempty"`
	Options    []option    `json:"options,omitempty"`
	IncludeAll bool        `json:"includeAll,omitempty"`
	AllValue   string      `json:"allValue,omitempty"`
	Multi      bool        `json:"multi,omitempty"`
	Refresh    int         `json:"refresh,omitempty"` // 2 asks again when the time range changes
	Sort       int         `json:"sort,omitempty"`    // 1 is by name
}

type option struct {
	Text     any  `json:"text"`
	Value    any  `json:"value"`
	Selected bool `json:"selected"`
}

type variableQuery struct {
	Query string `json:"query"`
	RefID string `json:"refId"`
}

type datasource struct {
	Type string `json:"type"`
	UID  string `json:"uid"`
}

type grafanaPanel struct {
	ID          int            `json:"id"`
	Type        string         `json:"type"`
	Title       string         `json:"title"`
	Description string         `json:"description,omitempty"`
	GridPos     gridPos        `json:"gridPos"`
	Collapsed   *bool          `json:"collapsed,omitempty"` // of a row
	Panels      []grafanaPanel `json:"panels,omitempty"`
	Datasource  *datasource    `json:"datasource,omitempty"`
	FieldConfig *fieldConfig   `json:"fieldConfig,omitempty"`
	Options     *panelOptions  `json:"options,omitempty"`
	Targets     []target       `json:"targets,omitempty"`
}

type gridPos struct {
	H int `json:"h"`
	W int `json:"w"`
	X int `json:"x"`
	Y int `json:"y"`
}

type fieldConfig struct {
	Defaults  fieldDefaults `json:"defaults"`
	Overrides []any         `json:"overrides"`
}

type fieldDefaults struct {
	Unit   string         `json:"unit"`
	Min    int            `json:"min"`
	Custom map[string]any `json:"custom"`
}

type panelOptions struct {
	Legend  map[string]any `json:"legend"`
	Tooltip map[string]any `json:"tooltip"`
}

type target struct {
	RefID        string      `json:"refId"`
	Datasource   *datasource `json:"datasource"`
	Expr         string      `json:"expr"`
	LegendFormat string      `json:"legendFormat"`
	Exemplar     bool        `json:"exemplar"` // shows the traces that a histogram's values lead to
}

// The panels of a row stand three by three in a grid of 24 columns.
const (
	gridColumns = 24
	panelWidth  = gridColumns / 3
	panelHeight = 8
)

var prometheusSource = &datasource{Type: "prometheus", UID: "${datasource}"}

// newDashboard lays the rows out.
func newDashboard(namespace string) *dashboard {
	d := &dashboard{
		UID:           "kinetrail",
		Title:         "Kinetrail",
		Description:   "Producers, consumers, streams and traces of kinetrail. What each metric means is in docs/metrics.md.",
		Tags:          []string{"kinesis", "kinetrail"},
		Editable:      true,
		GraphTooltip:  1,
		Refresh:       "30s",
		SchemaVersion: schemaVersion,
		Time:          timeRange{From: "now-1h", To: "now"},
		Templating:    templating{List: variables(namespace)},
	}
	y, id := 0, 0
	for _, r := range []row{producerRow, consumerRow, streamRow, tracingRow} {
		open := false
		id++
		d.Panels = append(d.Panels, grafanaPanel{
			ID: id, Type: "row", Title: r.title, Collapsed: &open,
			GridPos: gridPos{H: 1, W: gridColumns, X: 0, Y: y},
		})
		y++
		for i, p := range r.panels {
			id++
			g := p.grafana(id, namespace)
			g.GridPos = gridPos{H: panelHeight, W: panelWidth, X: i % 3 * panelWidth, Y: y + i/3*panelHeight}
			d.Panels = append(d.Panels, g)
		}
		y += (len(r.panels) + 2) / 3 * panelHeight
	}
	return d
}

// variables are the choices at the top of the dashboard. Without a namespace
// there is none to choose.
func variables(namespace string) []variable {
	chosen := option{Text: namespace, Value: namespace, Selected: true}
	all := option{Text: []string{"All"}, Value: []string{"$__all"}, Selected: true}
	list := []variable{{Name: "datasource", Label: "Data source", Type: "datasource", Query: "prometheus"}}
	if namespace != "" {
		list = append(list, variable{
			Name: "namespace", Label: "Namespace", Type: "textbox", Query: namespace, Current: &chosen, Options: []option{chosen},
		})
	}
	const streams = `label_values({__name__=~"${prefix}(producer_queue_size|consumer_queue_size|trace_extracted_total)"}, stream_name)`
	return append(list, variable{
		Name: "stream", Label: "Stream", Type: "query", Datasource: prometheusSource, Refresh: 2, Sort: 1,
		Multi: true, IncludeAll: true, AllValue: ".*", Current: &all,
		Query: variableQuery{withVariable(streams, namespace), "stream"},
	})
}

// withVariable puts the variable namespace, if there is one, into a query.
func withVariable(query, namespace string) string {
	if namespace == "" {
		return strings.ReplaceAll(query, "${prefix}", "")
	}
	return strings.ReplaceAll(query, "${prefix}", "${namespace}_")
}

// grafana is a panel without its place.
func (p panel) grafana(id int, namespace string) grafanaPanel {
	g := grafanaPanel{
		ID: id, Type: "timeseries", Title: p.title, Description: p.description, Datasource: prometheusSource,
		FieldConfig: &fieldConfig{
			Defaults:  fieldDefaults{Unit: p.unit, Custom: map[string]any{"lineWidth": 1, "fillOpacity": 10, "showPoints": "never"}},
			Overrides: []any{},
		},
		Options: &panelOptions{
			Legend:  map[string]any{"displayMode": "list", "placement": "bottom", "showLegend": true, "calcs": []string{}},
			Tooltip: map[string]any{"mode": "multi", "sort": "desc"},
		},
	}
	for i, q := range p.queries {
		g.Targets = append(g.Targets, target{
			RefID: string(rune('A' + i)), Datasource: prometheusSource, Expr: withVariable(q.expr, namespace), LegendFormat: q.legend,
			Exemplar: strings.Contains(q.expr, "_bucket"),
		})
	}
	return g
}

// queries are those of all panels.
func (d *dashboard) queries() []string {
	var all []string
	for _, p := range d.Panels {
		for _, t := range p.Targets {
			all = append(all, t.Expr)
		}
	}
	return all
}
