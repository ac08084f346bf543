package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// keptTables are tables as a file gives them back.
func keptTables(t *testing.T, rows ...row) tables {
	t.Helper()
	made := tables{Tables: []keptTable{{Name: "one", Indexes: []string{"index"}}}}
	for _, r := range rows {
		made.Tables[0].Rows = append(made.Tables[0].Rows, rowJSON(r))
	}
	text, err := json.Marshal(made)
	if err != nil {
		t.Fatal(err)
	}
	var kept tables
	if err := json.Unmarshal(text, &kept); err != nil {
		t.Fatal(err)
	}
	return kept
}

func TestAttributesThatAreNotKnownAreFound(t *testing.T) {
	t.Parallel()
	text, number := &types.AttributeValueMemberS{Value: "a"}, &types.AttributeValueMemberN{Value: "1"}
	kept := keptTables(t, row{"leaseKey": text, "leaseCounter": number}, row{"leaseKey": text, "h": &types.AttributeValueMemberL{}})
	for _, tt := range []struct {
		name string
		made tables
		says string // "" for no error
	}{
		{"the same", keptTables(t, row{"leaseKey": text, "leaseCounter": number}), ""},
		{"fewer attributes", keptTables(t, row{"leaseKey": text}), ""},
		{"a new attribute", keptTables(t, row{"leaseKey": text, "new": text}), "new S is not known"},
		{"another type", keptTables(t, row{"leaseKey": text, "leaseCounter": text}), "leaseCounter S is not known"},
		{"another index", tables{Tables: []keptTable{{Name: "one"}}}, "other names or indexes"},
		{"another name", tables{Tables: []keptTable{{Name: "two", Indexes: []string{"index"}}}}, "other names or indexes"},
		{"no table", tables{}, "other names or indexes"},
	} {
		err := sameTables(tt.made, kept)
		if (err == nil) != (tt.says == "") || err != nil && !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v; want %q", tt.name, err, tt.says)
		}
	}
}

func TestTheRefusalOfNativeFleetsIsDocumented(t *testing.T) {
	t.Parallel()
	if said, err := documentedRefusal(); err != nil || said == "" {
		t.Errorf("documentedRefusal = %q, %v", said, err)
	}
}
