package kinesisprotocol

import (
	"encoding/binary"
	"math"
	"slices"
	"sync"

	"github.com/kinetrail/kinetrail"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

// putAnswer is what PutRecords says, in whatever form it was written. It is memory
// that is lent for one answer after the other, the page included, so nothing that
// is handed on may lie in it. Its results are without pointers, so that nobody has
// to look through them for any.
type putAnswer struct {
	output *kinesis.PutRecordsOutput // where the answer goes
	into   *[]Result                 // where its results go, nil for the output

	page       []byte
	text       []byte // of all results, one behind the other
	shards     []span // each text once, or a few times; the first one is none
	seen       [128]int32
	results    []putResult
	kept       int   // how many of their texts there are, without the shards
	shape      shape // of the result before
	listed     bool  // there is a list of results, which may be empty
	failed     *int32
	encryption types.EncryptionType
}

// putResult is one result.
type putResult struct {
	number, code, message span
	shard                 int32 // its place among the shards
}

// span is where a text lies in that of all results, and zero for none: the first
// byte there belongs to nobody.
type span struct{ from, to int32 }

// longestPutPage is the length of a page whose texts, each of its bytes replaced by
// the three of U+FFFD, can still be told by an int32.
const longestPutPage = math.MaxInt32 / 4

// putAnswers are those no call holds at the moment.
var putAnswers = sync.Pool{New: func() any { return new(putAnswer) }}

// lendPutAnswer is memory to read an answer with.
func lendPutAnswer(output *kinesis.PutRecordsOutput, into *[]Result) *putAnswer {
	a := putAnswers.Get().(*putAnswer)
	*a = putAnswer{output: output, into: into, page: a.page[:0], text: append(a.text[:0], 0), shards: append(a.shards[:0], span{}), results: a.results[:0]}
	return a
}

func (a *putAnswer) room() []byte { return a.page }

// prepare makes room for what a page of this length usually holds, so that memory
// that is new does not grow step by step.
func (a *putAnswer) prepare(page []byte) {
	const smallest = 100 // bytes of a result, half of them its number
	a.results = slices.Grow(a.results, min(len(page)/smallest, kinetrail.MaxPutRecords))
	a.text = slices.Grow(a.text, len(page)/2)
}

// json reads a page in JSON. See reading.
func (a *putAnswer) json(page []byte) (usual bool, err error) {
	a.prepare(page)
	s := scanner{page: page, odd: len(page) > longestPutPage}
	s.putAnswer(a)
	if !s.odd {
		a.done(page)
	}
	return !s.odd, nil
}

// cbor reads a page in CBOR.
func (a *putAnswer) cbor(page []byte) (usual bool) {
	a.prepare(page)
	s := cborScanner{page: page, odd: len(page) > longestPutPage}
	s.putAnswer(a)
	if !s.done() {
		return false
	}
	a.done(page)
	return true
}

// done hands the answer on and gives the memory back. Only here: an unusual page is
// still read by the SDK.
func (a *putAnswer) done(page []byte) {
	*a.output = kinesis.PutRecordsOutput{EncryptionType: a.encryption, FailedRecordCount: a.failed}
	switch text := string(a.text); {
	case a.into != nil:
		*a.into = a.resultsIn(*a.into, text)
	case a.listed:
		a.output.Records = a.entries(text)
	}
	const usual = 1 << 20 // several times what as many results as there can be take
	if cap(page)+cap(a.text) <= usual && len(a.results) <= kinetrail.MaxPutRecords {
		a.output, a.into, a.failed, a.page, a.shape = nil, nil, nil, page, shape{}
		putAnswers.Put(a)
	}
}

// resultsIn are the results in our type, in place of those that are there.
func (a *putAnswer) resultsIn(results []Result, text string) []Result {
	results = slices.Grow(results[:0], len(a.results))[:len(a.results)]
	for i := range a.results {
		from, to := &a.results[i], &results[i]
		to.SequenceNumber = from.number.of(text)
		to.ShardID = a.shards[from.shard].of(text)
		to.ErrorCode = from.code.of(text)
		to.ErrorMessage = from.message.of(text)
	}
	return results
}

// entries are the results in the SDK's types. Those of one shard point to the same
// text.
func (a *putAnswer) entries(text string) []types.PutRecordsResultEntry {
	entries := make([]types.PutRecordsResultEntry, len(a.results))
	texts := make([]string, len(a.shards)+a.kept)
	shards := texts[:len(a.shards)]
	for i, shard := range a.shards {
		shards[i] = shard.of(text)
	}
	texts = texts[len(a.shards):]
	keep := func(s span) *string {
		if s == (span{}) {
			return nil
		}
		place := &texts[0]
		texts = texts[1:]
		*place = s.of(text)
		return place
	}
	for i := range a.results {
		r, entry := &a.results[i], &entries[i]
		entry.SequenceNumber, entry.ErrorCode, entry.ErrorMessage = keep(r.number), keep(r.code), keep(r.message)
		if r.shard != 0 {
			entry.ShardId = &shards[r.shard]
		}
	}
	return entries
}

func (s span) of(text string) string { return text[s.from:s.to] }

// next is the next result, with nothing in it.
func (a *putAnswer) next() *putResult {
	a.results = append(a.results, putResult{})
	return &a.results[len(a.results)-1]
}

// add adds a text.
func (a *putAnswer) add(text []byte) span {
	from := len(a.text)
	a.text = append(a.text, text...)
	return span{int32(from), int32(len(a.text))}
}

// shard is the number of a shard, which is mostly one that was named before.
func (a *putAnswer) shard(id []byte) int32 {
	seen := a.slot(id)
	if a.names(*seen, id) {
		return *seen
	}
	a.shards = append(a.shards, a.add(id))
	number := int32(len(a.shards) - 1)
	if isPlain(id) { // and so means the same wherever it stands
		*seen = number
	}
	return number
}

// slot is where the number of a shard is looked for. The last digits of neighbours
// differ.
func (a *putAnswer) slot(id []byte) *int32 {
	n := len(id)
	if n < 3 {
		return &a.seen[0]
	}
	return &a.seen[(uint(id[n-1])+10*uint(id[n-2])+100*uint(id[n-3]))%uint(len(a.seen))]
}

// names reports whether a number is that of a shard.
func (a *putAnswer) names(number int32, id []byte) bool {
	known := a.shards[number]
	return number != 0 && string(a.text[known.from:known.to]) == string(id)
}

// member takes note of a member of r.
func (a *putAnswer) member(r *putResult, name memberOfResult, text []byte) {
	switch name {
	case resultCode:
		r.code = a.replace(r.code, text)
	case resultMessage:
		r.message = a.replace(r.message, text)
	case resultNumber:
		r.number = a.replace(r.number, text)
	case resultShard:
		r.shard = a.shard(text)
	}
}

// replace adds a text in the place of the one before.
func (a *putAnswer) replace(before span, text []byte) span {
	if before == (span{}) {
		a.kept++
	}
	return a.add(text)
}

// memberOfResult is a member of a result.
type memberOfResult uint8

const (
	resultUnknown memberOfResult = iota
	resultCode
	resultMessage
	resultNumber
	resultShard
)

// resultMember is the member with this name.
func resultMember(name []byte) memberOfResult {
	switch string(name) {
	case "ErrorCode":
		return resultCode
	case "ErrorMessage":
		return resultMessage
	case "SequenceNumber":
		return resultNumber
	case "ShardId":
		return resultShard
	}
	return resultUnknown
}

// shape is what the result before looked like. The next one nearly always differs
// in the digits of its number and in its shard alone:
//
//	{"SequenceNumber":"4959…21","ShardId":"shardId-000000000002"}
//	└──────────────────┘      └───────────┘                    └─┘
//	       head       number     middle          shard         tail
//
// So one that has the same bytes around them says the same of them. The two may
// come the other way round.
type shape struct {
	known              bool
	head, middle, tail string // in the page
	number, shard      place
	length             int
}

// place is where a text lies in a result.
type place struct{ from, to int }

// learn takes note of the shape of a result, if it is one with a number and a shard
// alone. That they may be written with escapes does not matter: those of the next
// one are not, or it is no longer like this one.
func (a *putAnswer) learn(r *putResult, result []byte, number, shard place) {
	a.shape.known = r.code == (span{}) && r.message == (span{}) && r.number != (span{}) && r.shard != 0
	if !a.shape.known {
		return
	}
	first, second := number, shard
	if shard.from < number.from {
		first, second = shard, number
	}
	text := textOf(result)
	a.shape = shape{
		known: true, head: text[:first.from], middle: text[first.to:second.from], tail: text[second.to:],
		number: number, shard: shard, length: len(text),
	}
}

// again reads a result like the one before, and is its length, or 0 for any other.
func (a *putAnswer) again(rest []byte) int {
	h := &a.shape
	if !h.known || len(rest) < h.length {
		return 0
	}
	result := rest[:h.length]
	middle := min(h.number.to, h.shard.to)
	if string(result[:len(h.head)]) != h.head || string(result[middle:middle+len(h.middle)]) != h.middle ||
		string(result[h.length-len(h.tail):]) != h.tail {
		return 0
	}
	number, shard := result[h.number.from:h.number.to], result[h.shard.from:h.shard.to]
	if !allDigits(number) {
		return 0
	}
	seen := *a.slot(shard)
	if !a.names(seen, shard) {
		if !isPlain(shard) {
			return 0
		}
		seen = a.shard(shard)
	}
	a.kept++
	a.results = append(a.results, putResult{number: a.add(number), shard: seen})
	return h.length
}

// allDigits reports whether text is digits and nothing else.
func allDigits(text []byte) bool {
	const (
		zeros = '0' * 0x0101010101010101
		over  = (0x80 - 10) * 0x0101010101010101
		tops  = 0x80 * 0x0101010101010101
	)
	var wrong uint64
	for ; len(text) >= 8; text = text[8:] {
		digits := binary.LittleEndian.Uint64(text) ^ zeros
		// A byte from 10 on has its top bit in one of the two. Only such a byte
		// carries into the next.
		wrong |= digits | (digits + over)
	}
	for _, c := range text {
		if !isDigit(c) {
			return false
		}
	}
	return wrong&tops == 0
}

// isPlain reports whether text is ASCII that stands for itself in JSON too.
func isPlain(text []byte) bool { return plainLength(text) == len(text) }
