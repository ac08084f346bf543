package main

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"os/exec"
	"strings"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/codec"
	"github.com/kinetrail/kinetrail/codec/msgpack"
	"github.com/kinetrail/kinetrail/consumer"
	"github.com/kinetrail/kinetrail/localkinesis"
	"github.com/kinetrail/kinetrail/producer"
)

// values holds records and the values in them, in the form of codec/testdata.
type values struct {
	MadeBy  string        `json:"made_by"`
	Records []valueRecord `json:"records"`
}

type valueRecord struct {
	Name   string            `json:"name"`
	Codec  string            `json:"codec"`
	Values []json.RawMessage `json:"values"` // {"$bytes": hexadecimal} is binary
	Bytes  string            `json:"bytes"`  // hexadecimal
}

// valuesRead is what async-kinesis says of records, or streams, that it read.
type valuesRead struct {
	MadeBy string `json:"made_by"`
	Read   []struct {
		Name   string `json:"name"`
		Values int    `json:"values"`
		Wrong  string `json:"wrong"`
	} `json:"read"`
}

const asyncKinesis = "async-kinesis"

// valueFolders are the testdata folders with values, and the file that
// async-kinesis makes of each. With ujson it writes JSON differently.
var valueFolders = []struct {
	folder, file string
	ujson        bool
}{
	{"codec", "python.json", false},
	{"codec", "python-ujson.json", true},
	{"codec/msgpack", "python.json", false},
}

// checkCodecs lets async-kinesis read and write what every codec writes and
// reads, as bytes and through a stream.
func checkCodecs(s *session) {
	if s.skipped("python") {
		s.report.skip(asyncKinesis, "python")
		return
	}
	for _, f := range valueFolders {
		given, err := readValues(testdata(f.folder, "kinetrail.json"))
		if err != nil {
			s.check(asyncKinesis, "reads "+f.folder, func() (string, error) { return "", err })
			continue
		}
		with := ""
		if f.ujson {
			with = " with ujson"
		}
		s.check(asyncKinesis, "reads the records of "+f.folder+"/testdata"+with, func() (string, error) { return readsValues(s, f.ujson, given) })
		s.check(asyncKinesis, "makes the records of "+f.folder+"/testdata"+with, func() (string, error) {
			var made values
			if err := s.exchange(s.python("make_values.py", f.ujson), given, &made); err != nil {
				return "", err
			}
			return things(len(made.Records), "records"), s.golden(testdata(f.folder, f.file), made)
		})
	}
	s.check(asyncKinesis, "reads the records of every codec, JSON compact", func() (string, error) {
		given, err := compactValues()
		if err != nil {
			return "", err
		}
		return readsValues(s, false, given)
	})
	s.check(asyncKinesis, "gets what the producer puts, and the consumer what it puts", func() (string, error) { return throughStreams(s) })
}

// python is a script of async-kinesis.
func (s *session) python(script string, ujson bool) *exec.Cmd {
	command := exec.CommandContext(s.ctx, s.path("python-streams", "bin", "python"), "python/"+script)
	command.Env = s.environment()
	if ujson {
		command.Env = append(command.Env, "PYTHONPATH="+s.path("python-ujson"))
	}
	return command
}

func readValues(file string) (values, error) {
	var v values
	err := readJSON(file, &v)
	return v, err
}

func readsValues(s *session, ujson bool, given values) (string, error) {
	return s.valuesRead(s.python("read_values.py", ujson), given)
}

// valuesRead lets a script read values, and tells how many it read.
func (s *session) valuesRead(script *exec.Cmd, given any) (string, error) {
	var got valuesRead
	if err := s.exchange(script, given, &got); err != nil {
		return "", err
	}
	s.report.version(asyncKinesis, got.MadeBy)
	n := 0
	var wrong []error
	for _, r := range got.Read {
		n += r.Values
		if r.Wrong != "" {
			wrong = append(wrong, fmt.Errorf("%s: %s", r.Name, r.Wrong))
		}
	}
	if n == 0 {
		wrong = append(wrong, errors.New("nothing was read"))
	}
	s.report.add(asyncKinesis, n, "values")
	return things(n, "values"), errors.Join(wrong...)
}

// format is a codec over any values.
type format struct {
	encode func(values []any) (records [][]byte, err error)
	decode func(data []byte) ([]any, error)
}

// formats are the codecs by the names of codec/testdata, as they are without
// options.
var formats = map[string]format{
	"string":    formatOf(codec.String()),
	"json":      formatOf(codec.JSON[any]()),
	"jsonlines": formatOf[any](codec.JSONLines[any]()),
	"jsonlist":  formatOf[any](codec.JSONList[any]()),
	"kpljson":   formatOf[any](codec.KPLJSON[any]()),
	"kplstring": formatOf[string](codec.KPLString()),
	"msgpack":   formatOf[any](msgpack.New[any]()),
}

func formatOf[T any](c codec.Codec[T]) format {
	return format{
		encode: func(values []any) (records [][]byte, err error) {
			packing, packs := c.(codec.Packing[T])
			if !packs {
				for _, v := range values {
					record, err := c.Append(nil, typed[T](v))
					if err != nil {
						return nil, err
					}
					records = append(records, record)
				}
				return records, nil
			}
			packer := packing.Packer(50 << 10)
			for _, v := range values {
				record, err := packer.Add(typed[T](v))
				if err != nil {
					return nil, err
				}
				if record != nil {
					records = append(records, record)
				}
			}
			if record := packer.Flush(); record != nil {
				records = append(records, record)
			}
			return records, nil
		},
		decode: func(data []byte) (values []any, err error) {
			for v, err := range c.Decode(data) {
				if err != nil {
					return nil, err
				}
				values = append(values, v)
			}
			return values, nil
		},
	}
}

// typed is v, which is nil for null.
func typed[T any](v any) T {
	t, _ := v.(T)
	return t
}

// compactValues are the values of all testdata in records of the codecs without
// options.
func compactValues() (values, error) {
	all, err := allValues()
	if err != nil {
		return values{}, err
	}
	for i := range all.Records {
		r := &all.Records[i]
		given, err := valuesOf(r.Values)
		if err != nil {
			return values{}, err
		}
		records, err := formats[r.Codec].encode(given)
		if err != nil || len(records) != 1 {
			return values{}, fmt.Errorf("%s: %d records: %w", r.Name, len(records), err)
		}
		r.Bytes = hex.EncodeToString(records[0])
	}
	return all, nil
}

func allValues() (values, error) {
	all, err := readValues(testdata("codec", "kinetrail.json"))
	packed, packedErr := readValues(testdata("codec/msgpack", "kinetrail.json"))
	all.Records = append(all.Records, packed.Records...)
	return all, errors.Join(err, packedErr)
}

// valuesOf are the values that those of a document stand for. Whole numbers stay
// whole.
func valuesOf(texts []json.RawMessage) ([]any, error) {
	all := make([]any, len(texts))
	for i, text := range texts {
		decoder := json.NewDecoder(bytes.NewReader(text))
		decoder.UseNumber()
		if err := decoder.Decode(&all[i]); err != nil {
			return nil, err
		}
		var err error
		if all[i], err = valueOf(all[i]); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func valueOf(v any) (any, error) {
	var err error
	switch v := v.(type) {
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n, nil
		}
		if n, ok := new(big.Int).SetString(v.String(), 10); ok && n.IsUint64() {
			return n.Uint64(), nil
		}
		return v.Float64()
	case []any:
		for i := range v {
			if v[i], err = valueOf(v[i]); err != nil {
				return nil, err
			}
		}
	case map[string]any:
		if text, ok := v["$bytes"].(string); ok {
			return hex.DecodeString(text)
		}
		for name := range v {
			if v[name], err = valueOf(v[name]); err != nil {
				return nil, err
			}
		}
	}
	return v, err
}

// stream is what async_kinesis.py is told of a stream.
type stream struct {
	Name   string            `json:"name"`
	Codec  string            `json:"codec"`
	Values []json.RawMessage `json:"values"`
}

// throughStreams puts the values of each record through a stream of its own in
// both directions: from the producer to async-kinesis, and from there to the
// consumer.
func throughStreams(s *session) (string, error) {
	all, err := allValues()
	if err != nil {
		return "", err
	}
	call := struct {
		Endpoint string   `json:"endpoint"`
		Put      []stream `json:"put"`
		Get      []stream `json:"get"`
	}{}
	names := make(map[string]int)
	for i, r := range all.Records {
		put, get := stream{fmt.Sprintf("put-%d", i), r.Codec, r.Values}, stream{fmt.Sprintf("get-%d", i), r.Codec, r.Values}
		call.Put, call.Get = append(call.Put, put), append(call.Get, get)
		names[put.Name], names[get.Name] = 1, 1
	}
	server, err := listen(func(o *localkinesis.Options) { o.Streams = names })
	if err != nil {
		return "", err
	}
	defer server.Close()
	for _, st := range call.Get {
		if err := putValues(s, server, st); err != nil {
			return "", fmt.Errorf("put %s: %w", st.Codec, err)
		}
	}
	call.Endpoint = server.URL()
	seen, err := s.valuesRead(s.python("async_kinesis.py", false), call)
	if err != nil {
		return "", err
	}
	for _, st := range call.Put {
		if err := getValues(s, server, st); err != nil {
			return "", fmt.Errorf("get %s: %w", st.Codec, err)
		}
	}
	return fmt.Sprintf("%s, %s", things(len(names), "streams"), seen), nil
}

// putValues puts the values of a stream with the producer.
func putValues(s *session, server *localkinesis.Server, st stream) error {
	given, err := valuesOf(st.Values)
	if err != nil {
		return err
	}
	records, err := formats[st.Codec].encode(given)
	if err != nil {
		return err
	}
	p, err := producer.New(server.Client(), st.Name, func(o *producer.Options) { o.Linger = 0 })
	if err != nil {
		return err
	}
	for _, data := range records {
		if _, err := p.Put(s.ctx, kinetrail.Record{PartitionKey: "k", Data: data}); err != nil {
			return errors.Join(err, p.Close(s.ctx))
		}
	}
	return p.Close(s.ctx)
}

// getValues expects the values of a stream from the consumer.
func getValues(s *session, server *localkinesis.Server, st stream) error {
	want, err := valuesOf(st.Values)
	if err != nil {
		return err
	}
	var got []any
	from := []func(*consumer.Options){consumer.From(kinetrail.TrimHorizon()), consumer.StopAtTip()}
	for r, err := range consumer.Read(s.ctx, server.Client(), st.Name, from...) {
		if err != nil {
			return err
		}
		decoded, err := formats[st.Codec].decode(r.Data)
		if err != nil {
			return err
		}
		got = append(got, decoded...)
	}
	return sameValues(got, want)
}

// sameValues compares values by what they are in JSON, where a whole number is
// the same with a point and without.
func sameValues(got, want []any) error {
	if len(got) != len(want) {
		return fmt.Errorf("%d values, want %d", len(got), len(want))
	}
	for i := range want {
		if g, w := plainText(got[i]), plainText(want[i]); g != w {
			return fmt.Errorf("value %d is %s, want %s", i, g, w)
		}
	}
	return nil
}

func plainText(v any) string {
	switch v := v.(type) {
	case []any:
		items := make([]string, len(v))
		for i := range v {
			items[i] = plainText(v[i])
		}
		return "[" + strings.Join(items, ",") + "]"
	case map[string]any:
		members := make(map[string]string, len(v))
		for name := range v {
			members[name] = plainText(v[name])
		}
		return fmt.Sprintf("%q", members)
	case []byte:
		return fmt.Sprintf("bytes %x", v)
	case int64, uint64:
		return fmt.Sprint(v)
	case float64:
		if whole, accuracy := big.NewFloat(v).Int(nil); accuracy == big.Exact {
			return whole.String()
		}
	}
	return fmt.Sprintf("%#v", v)
}
