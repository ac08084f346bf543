//go:build unix && !race

package diskstore_test

// The race detector takes much memory of its own, so this is not run with it.

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"github.com/kinetrail/kinetrail/localkinesis"
	"github.com/kinetrail/kinetrail/localkinesis/diskstore"
)

func init() { children["memory"] = fillAndRead }

// What a server in a directory may take of memory for a million records of 100
// bytes, also while it is read from end to end.
const (
	manyRecords = 1_000_000
	mayTakeMiB  = 200
)

// memoryNews is what the program of TestAMillionRecordsTakeLittleMemory says.
type memoryNews struct {
	Records     int
	WrittenMiB  int // the most memory it had until everything was written
	ReadMiB     int // and until everything was read
	ReopenedMiB int // and when all that was done again from the directory
}

func TestAMillionRecordsTakeLittleMemory(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		return // others do not tell a process the most it had
	}
	command := exec.Command(os.Args[0])
	command.Env = append(os.Environ(), childVariable+"=memory", orderVariable+"="+t.TempDir())
	command.Stderr = os.Stderr
	text, err := command.Output()
	if err != nil {
		t.Fatal(err)
	}
	var news memoryNews
	if err := json.Unmarshal(text, &news); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	t.Logf("%d records of 100 bytes: at most %d MiB while they are written, %d when they were read, %d when that was done again after a restart",
		news.Records, news.WrittenMiB, news.ReadMiB, news.ReopenedMiB)
	if news.Records != manyRecords || news.ReopenedMiB > mayTakeMiB {
		t.Errorf("%d records took %d MiB; want %d within %d", news.Records, news.ReopenedMiB, manyRecords, mayTakeMiB)
	}
}

// fillAndRead is a server that is filled and read in one process, and says how
// much memory it took.
func fillAndRead() error {
	var news memoryNews
	s, err := openServer()
	if err != nil {
		return err
	}
	body := putRecordsBody()
	for range manyRecords / perPut {
		if err := ask(s, "PutRecords", body, unseen); err != nil {
			return err
		}
	}
	if news.WrittenMiB, err = mostMiB(); err != nil {
		return err
	}
	if _, err := readShards(s); err != nil {
		return err
	}
	if news.ReadMiB, err = mostMiB(); err != nil {
		return err
	}
	if err := s.Close(); err != nil {
		return err
	}
	if s, err = openServer(); err != nil {
		return err
	}
	defer s.Close()
	if news.Records, err = readShards(s); err != nil {
		return err
	}
	if news.ReopenedMiB, err = mostMiB(); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(news)
}

func openServer() (*localkinesis.Server, error) {
	store, err := diskstore.Open(os.Getenv(orderVariable))
	if err != nil {
		return nil, err
	}
	return localkinesis.New(func(o *localkinesis.Options) {
		o.Store = store
		o.Streams = map[string]int{"orders": 4}
	})
}

// mostMiB is the most memory the process had so far.
func mostMiB() (int, error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	var kiB int
	_, err = fmt.Sscan(rest, &kiB)
	return kiB >> 10, err
}

// readShards reads every shard of stream orders from end to end.
func readShards(s *localkinesis.Server) (records int, err error) {
	for shard := range 4 {
		n, err := readShard(s, shard)
		if err != nil {
			return 0, err
		}
		records += n
	}
	return records, nil
}
