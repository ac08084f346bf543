package nullkinesis

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"

	"github.com/kinetrail/kinetrail/shardmap"
)

// The major types of RFC 8949 that requests are made of.
const (
	cborBytes = 2
	cborText  = 3
	cborArray = 4
	cborMap   = 5
	cborBreak = 0xff
)

var (
	cborType = []byte("application/x-amz-cbor-1.1")

	errCBOR = errors.New("the request is not in the CBOR that kinetrail writes")
)

// items walks over maps, arrays, texts and byte strings with a length in front.
type items struct {
	body []byte
	err  error
}

// head steps over the start of an item.
func (i *items) head(major byte) (n int) {
	if i.err != nil || len(i.body) == 0 || i.body[0]>>5 != major {
		i.err = errCBOR
		return 0
	}
	low, rest := i.body[0]&31, i.body[1:]
	size := 0
	switch {
	case low < 24:
		n = int(low)
	case low <= 26 && len(rest) >= 1<<(low-24):
		size = 1 << (low - 24)
		for _, b := range rest[:size] {
			n = n<<8 | int(b)
		}
	default:
		i.err = errCBOR
	}
	i.body = rest[size:]
	return n
}

func (i *items) text(major byte) []byte {
	n := i.head(major)
	if i.err != nil || n > len(i.body) {
		i.err = errCBOR
		return nil
	}
	text := i.body[:n]
	i.body = i.body[n:]
	return text
}

// putRecordsCBOR is putRecords in CBOR.
func (c *call) putRecordsCBOR() error {
	c.answer = append(appendText(append(c.answer, cborMap<<5|2), "FailedRecordCount"), 0)
	c.answer = append(appendText(c.answer, "Records"), cborArray<<5|31)
	request := items{body: c.body}
	for members := request.head(cborMap); members > 0 && request.err == nil; members-- {
		if string(request.text(cborText)) != "Records" {
			request.text(cborText)
			continue
		}
		for records := request.head(cborArray); records > 0 && request.err == nil; records-- {
			shard, err := request.record()
			if err != nil {
				return err
			}
			c.answer = append(c.answer, acceptedCBOR[shard]...)
		}
	}
	c.answer = append(c.answer, cborBreak)
	return request.err
}

// record steps over a record of PutRecords. It is on the shard where the service
// would put it.
func (i *items) record() (shard int, err error) {
	var key, digits []byte
	for members := i.head(cborMap); members > 0; members-- {
		switch string(i.text(cborText)) {
		case "Data":
			i.text(cborBytes)
		case "PartitionKey":
			key = i.text(cborText)
		case "ExplicitHashKey":
			digits = i.text(cborText)
		default:
			return 0, errCBOR
		}
	}
	switch {
	case i.err != nil:
		return 0, i.err
	case digits != nil:
		hash, err := shardmap.ParseHashKey(string(digits))
		return shardFor(hash), err
	case key == nil:
		return 0, errors.New("a record has no partition key")
	}
	return shardFor(shardmap.HashKeyOf(string(key))), nil
}

// iteratorOfCBOR is the iterator of a GetRecords request.
func iteratorOfCBOR(body []byte) ([]byte, error) {
	request := items{body: body}
	for members := request.head(cborMap); members > 0 && request.err == nil; members-- {
		if string(request.text(cborText)) == "ShardIterator" {
			return request.text(cborText), request.err
		}
		if len(request.body) > 0 && request.body[0]>>5 == cborText {
			request.text(cborText)
		} else {
			request.head(0) // Limit
		}
	}
	return nil, fmt.Errorf("GetRecords has no iterator: %w", errCBOR)
}

// pageCBOR makes the answer of GetRecords that page makes, in the service's CBOR.
func (k Kind) pageCBOR(shard int) []byte {
	random := rand.New(rand.NewPCG(uint64(shard), uint64(k.Bytes)))
	data := make([]byte, k.Bytes)
	page := binary.BigEndian.AppendUint16(append(appendText([]byte{cborMap<<5 | 31}, "MillisBehindLatest"), 25), 1000)
	page = appendText(appendText(page, "NextShardIterator"), k.Name+"/"+strconv.Itoa(shard))
	page = append(appendText(page, "Records"), cborArray<<5|31)
	for range k.Records {
		key, data := k.record(random, shard, data)
		page = append(page, cborMap<<5|31)
		page = append(appendText(page, "ApproximateArrivalTimestamp"), 6<<5|1, 27)
		page = binary.BigEndian.AppendUint64(page, 1794961234567)
		page = append(appendHead(appendText(page, "Data"), cborBytes, len(data)), data...)
		page = appendText(appendText(page, "PartitionKey"), key)
		page = append(appendText(appendText(page, "SequenceNumber"), sequenceNumber), cborBreak)
	}
	return append(page, cborBreak, cborBreak)
}

var acceptedCBOR = func() (accepted [Shards][]byte) {
	for i := range accepted {
		entry := appendText(appendText([]byte{cborMap<<5 | 31}, "SequenceNumber"), sequenceNumber)
		accepted[i] = append(appendText(appendText(entry, "ShardId"), ShardID(i)), cborBreak)
	}
	return accepted
}()

func appendText(body []byte, text string) []byte {
	return append(appendHead(body, cborText, len(text)), text...)
}

func appendHead(body []byte, major byte, n int) []byte {
	major <<= 5
	switch {
	case n < 24:
		return append(body, major|byte(n))
	case n < 1<<8:
		return append(body, major|24, byte(n))
	case n < 1<<16:
		return binary.BigEndian.AppendUint16(append(body, major|25), uint16(n))
	}
	return binary.BigEndian.AppendUint32(append(body, major|26), uint32(n))
}

// isCBOR reports whether a Content-Type header names CBOR.
func isCBOR(value []byte) bool { return bytes.Equal(bytes.TrimSpace(value), cborType) }
