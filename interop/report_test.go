package main

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestARunHoldsOnlyWhenEveryPeerWasCheckedAndNoneFailed(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		check func(r *report)
		want  bool
		says  string
	}{
		{"all ok", func(r *report) { r.line("boto3", "streams", "", time.Second, nil) }, true, "1 check, all ok, 60 s"},
		{"one failed", func(r *report) {
			r.line("boto3", "streams", "", 0, nil)
			r.line("boto3", "tags", "", 0, errors.New("no"))
		}, false, "2 checks, 1 FAILED, 60 s"},
		{"a language was left out", func(r *report) {
			r.line("boto3", "streams", "", 0, nil)
			r.skip("KPL", "java")
		}, true, "1 check, all ok, 60 s"},
		{"a peer was not checked", func(r *report) {
			r.line("boto3", "streams", "", 0, nil)
			r.peer("KPL")
		}, false, "1 check, 1 peer NOT CHECKED, 60 s"},
		{"nothing was checked", func(r *report) { r.skip("KPL", "java") }, false, "0 checks, nothing was checked, 60 s"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var out strings.Builder
			r := newReport(&out)
			tt.check(r)
			if got := r.summary(time.Minute); got != tt.want || !strings.HasSuffix(out.String(), tt.says+"\n") {
				t.Errorf("summary = %t, and the report is\n%s\nwant %t, and %q at its end", got, out.String(), tt.want, tt.says)
			}
		})
	}
}

func TestAReportHasALineForEachCheckAndASummaryByPeer(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	r := newReport(&out)
	r.peer("boto3")
	r.peer("KPL")
	r.line("KPL", "puts", "", 1500*time.Millisecond, errors.New("one reason\nand another"))
	r.version("boto3", "boto3 1.2.3")
	r.add("boto3", 20, "calls")
	r.add("boto3", 3, "calls")
	r.add("boto3", 1, "operations")
	r.line("boto3", "streams", "23 calls", 250*time.Millisecond, nil)
	r.version("KPL", "KPL 4")
	r.summary(2 * time.Second)
	want := `FAIL  KPL                          puts
      one reason
      and another
ok    boto3                        streams: 23 calls (0.2 s)

boto3                        1 check ok, 23 calls, 1 operation; boto3 1.2.3
KPL                          1 of 1 checks FAILED; KPL 4
2 checks, 1 FAILED, 2 s
`
	if out.String() != want {
		t.Errorf("the report is\n%s\nwant\n%s", out.String(), want)
	}
}
