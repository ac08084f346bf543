package cli

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/kinetrail/kinetrail"
	"github.com/spf13/cobra"
)

// choice is a flag that takes one of a few words.
type choice struct {
	value   string
	allowed []string
}

const (
	asTable = "table"
	asJSON  = "json"
	asTSV   = "tsv"
	asRaw   = "raw"
)

// outputFlag gives a command its --output flag. The first form is the default.
func outputFlag(cmd *cobra.Command, allowed ...string) *choice {
	form := &choice{value: allowed[0], allowed: allowed}
	cmd.Flags().VarP(form, "output", "o", "form of the output: "+oneOf(allowed))
	completeWith(cmd, "output", allowed...)
	return form
}

func (f *choice) String() string { return f.value }
func (f *choice) Type() string   { return "word" }
func (f *choice) Set(text string) error {
	if !slices.Contains(f.allowed, text) {
		return fmt.Errorf("it takes %s", oneOf(f.allowed))
	}
	f.value = text
	return nil
}

// oneOf reads "table, json or tsv".
func oneOf(words []string) string { return listed(words, " or ") }

// allOf reads "table, json and tsv".
func allOf(words []string) string { return listed(words, " and ") }

func listed(words []string, conjunction string) string {
	last := len(words) - 1
	if last == 0 {
		return words[0]
	}
	return strings.Join(words[:last], ", ") + conjunction + words[last]
}

// completeWith lets the shell complete a flag's values.
func completeWith(cmd *cobra.Command, flag string, values ...string) {
	// The only error is a flag that does not exist.
	if err := cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic(err)
	}
}

// writeJSON writes one indented document.
func (a *app) writeJSON(document any) error {
	return a.encodeJSON("  ", document)
}

// writeJSONLine writes one object on one line.
func (a *app) writeJSONLine(object any) error {
	return a.encodeJSON("", object)
}

func (a *app) encodeJSON(indent string, value any) error {
	encoder := json.NewEncoder(a.stdout)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", indent)
	return encoder.Encode(value)
}

// jsonData is how a record's data stands in JSON: as text where it is text, in
// base64 otherwise, which the encoding then says.
type jsonData struct {
	Data         *string `json:"data"` // null in none that is written
	DataEncoding string  `json:"data_encoding,omitempty"`
}

func newJSONData(data []byte) jsonData {
	text, encoding := string(data), ""
	if !utf8.Valid(data) {
		text, encoding = base64.StdEncoding.EncodeToString(data), asBase64
	}
	return jsonData{Data: &text, DataEncoding: encoding}
}

const asBase64 = "base64"

// bytes is the data that stands there.
func (d jsonData) bytes() ([]byte, error) {
	switch {
	case d.Data == nil:
		return nil, errors.New("it has no data")
	case d.DataEncoding == "":
		return []byte(*d.Data), nil
	case d.DataEncoding != asBase64:
		return nil, fmt.Errorf("its data_encoding is %s; it can be base64", abbreviate(d.DataEncoding))
	}
	data, err := base64.StdEncoding.DecodeString(*d.Data)
	if err != nil {
		return nil, errors.New("its data is no base64")
	}
	return data, nil
}

// textOrNull is a string that JSON shows as null when there is none.
func textOrNull(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

func textOrNone(text *string) string {
	if text == nil {
		return ""
	}
	return *text
}

// jsonHeader is a record's header in JSON.
type jsonHeader struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// jsonHeaders keeps order and repeated names, which an object could not.
func jsonHeaders(headers []kinetrail.Header) []jsonHeader {
	list := make([]jsonHeader, len(headers))
	for i, h := range headers {
		list[i] = jsonHeader(h)
	}
	return list
}

// headerText shows headers in a table cell.
func headerText(headers []kinetrail.Header) string {
	pairs := make([]string, len(headers))
	for i, h := range headers {
		pairs[i] = printable(h.Name + "=" + h.Value)
	}
	return strings.Join(pairs, " ")
}

// preview shows data in a table cell, cut where it would fill the screen.
func preview(data []byte) string {
	const most = 120 // bytes
	if len(data) <= most {
		return printable(string(data))
	}
	cut := most
	for cut > most-utf8.UTFMax && !utf8.RuneStart(data[cut]) {
		cut--
	}
	return printable(string(data[:cut])) + "…"
}

// count reads "1 record" or "3 records".
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
