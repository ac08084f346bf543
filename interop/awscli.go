package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// awsCLI is the AWS CLI: a process for every call.
type awsCLI struct {
	program    string
	scratch    string // folder for binary data, which the command line cannot hold
	name       string
	operations []string // as its commands are called
	env        []string
}

var kinesisCommand = regexp.MustCompile(`\b[a-z]+(-[a-z]+)+\b`)

func openAWSCLI(s *session) (sdk, error) {
	c := &awsCLI{program: s.path("python-aws", "bin", "aws"), scratch: s.path("scratch"), env: s.environment()}
	if err := os.MkdirAll(c.scratch, 0o755); err != nil {
		return nil, err
	}
	version, _, err := c.run(s.ctx, "--version")
	if err != nil {
		return nil, err
	}
	c.name = strings.TrimSpace(string(version))
	// An unknown command is answered with the known ones.
	_, choices, err := c.run(s.ctx, "kinesis", "no-such-command")
	if c.operations = kinesisCommand.FindAllString(string(choices), -1); len(c.operations) < 10 {
		return nil, fmt.Errorf("the AWS CLI shows no commands of kinesis: %s: %w", choices, err)
	}
	return c, nil
}

func (c *awsCLI) version() string { return c.name }
func (c *awsCLI) close() error    { return nil }

func (c *awsCLI) has(operation string) bool {
	return slices.Contains(c.operations, commandOf(operation))
}

// commandOf is how the AWS CLI calls an operation: describe-stream.
func commandOf(operation string) string {
	var name strings.Builder
	for i, r := range operation {
		if i > 0 && unicode.IsUpper(r) {
			name.WriteByte('-')
		}
		name.WriteRune(unicode.ToLower(r))
	}
	return name.String()
}

func (c *awsCLI) run(ctx context.Context, args ...string) (out, complaints []byte, err error) {
	command := exec.CommandContext(ctx, c.program, args...)
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr, command.Env = &stdout, &stderr, c.env
	err = command.Run()
	return stdout.Bytes(), stderr.Bytes(), err
}

var cliError = regexp.MustCompile(`(?s)An error occurred \((\w+)\) when calling the \w+ operation(?: \(reached max retries: \d+\))?: (.*)`)

func (c *awsCLI) call(ctx context.Context, endpoint string, call apiCall) (apiAnswer, error) {
	args, err := c.arguments(call)
	if err != nil {
		return apiAnswer{}, err
	}
	out, complaints, err := c.run(ctx, append([]string{"--endpoint-url", endpoint, "--output", "json", "--no-paginate", "kinesis", commandOf(call.Operation)}, args...)...)
	if said := cliError.FindSubmatch(complaints); err != nil && said != nil {
		return apiAnswer{Error: &apiError{Name: string(said[1]), Message: strings.TrimSpace(string(said[2]))}}, nil
	}
	if err != nil {
		return apiAnswer{}, fmt.Errorf("aws %s: %w\n%s", strings.Join(args, " "), err, lastLines(string(complaints), 15))
	}
	output, err := withTimes(out)
	return apiAnswer{Output: output}, err
}

// arguments are those of a call. The CLI takes data as it is: text in JSON, and
// what is no text from a file.
func (c *awsCLI) arguments(call apiCall) ([]string, error) {
	input, _ := call.Input.(map[string]any)
	var args []string
	if text, ok := input["Data"].(string); ok {
		data, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return nil, err
		}
		file := filepath.Join(c.scratch, "data")
		if err := os.WriteFile(file, data, 0o644); err != nil {
			return nil, err
		}
		args = append(args, "--data", "fileb://"+file)
		delete(input, "Data")
	}
	if records, ok := input["Records"].([]any); ok {
		for _, r := range records {
			record := r.(map[string]any)
			data, err := base64.StdEncoding.DecodeString(record["Data"].(string))
			if err != nil || !utf8.Valid(data) {
				return nil, fmt.Errorf("the AWS CLI cannot put %q among several records: %w", data, err)
			}
			record["Data"] = string(data)
		}
	}
	text, err := json.Marshal(input)
	return append(args, "--cli-input-json", string(text)), err
}

// withTimes writes the times in an output, which the CLI gives in seconds, as RFC
// 3339.
func withTimes(out []byte) ([]byte, error) {
	if len(bytes.TrimSpace(out)) == 0 {
		return []byte("{}"), nil
	}
	var output any
	if err := json.Unmarshal(out, &output); err != nil {
		return nil, err
	}
	return json.Marshal(timed("", output))
}

func timed(name string, value any) any {
	switch v := value.(type) {
	case map[string]any:
		for name, member := range v {
			v[name] = timed(name, member)
		}
	case []any:
		for i := range v {
			v[i] = timed(name, v[i])
		}
	case float64:
		if strings.HasSuffix(name, "Timestamp") || strings.HasSuffix(name, "At") {
			return time.UnixMilli(int64(v * 1000)).UTC()
		}
	}
	return value
}
