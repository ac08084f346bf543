package state

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"strings"
	"time"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/localkinesis/sequence"
)

// Sealer makes the opaque texts a server hands out and takes back: shard
// iterators and the tokens of paged lists. Only the account that made one can
// read it; a changed one is refused.
type Sealer struct {
	aead cipher.AEAD
}

// sealerKeyBytes is the length of a sealer's key, for AES-256.
const sealerKeyBytes = 32

func newSealerKey() []byte {
	key := make([]byte, sealerKeyBytes)
	rand.Read(key)
	return key
}

func newSealer(key []byte) (*Sealer, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, err
	}
	return &Sealer{aead: aead}, nil
}

// sealedHead begins every iterator of the service; clients may look at it.
var sealedHead = []byte{0, 0, 0, 0, 0, 0, 0, 1}

func (s *Sealer) seal(purpose string, content []byte) string {
	sealed := make([]byte, 0, len(sealedHead)+len(content)+s.aead.Overhead())
	sealed = append(sealed, sealedHead...)
	sealed = s.aead.Seal(sealed, nil, content, []byte(purpose))
	return base64.StdEncoding.EncodeToString(sealed)
}

func (s *Sealer) open(purpose, text string) (content []byte, ok bool) {
	sealed, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil || len(sealed) < len(sealedHead) || string(sealed[:len(sealedHead)]) != string(sealedHead) {
		return nil, false
	}
	content, err = s.aead.Open(nil, nil, sealed[len(sealedHead):], []byte(purpose))
	return content, err == nil
}

// Iterator is a place in a shard, and when it was handed out.
type Iterator struct {
	Stream  string
	Created int64 // second the stream was created in
	Shard   uint32
	Next    uint64 // counter of the record to go on from
	Issued  int64  // Unix milliseconds
}

const forIterators = "shard iterator"

// SealIterator is the text of an iterator.
func (s *Sealer) SealIterator(it Iterator) string {
	content := make([]byte, 0, 28+len(it.Stream))
	content = binary.BigEndian.AppendUint64(content, uint64(it.Issued))
	content = binary.BigEndian.AppendUint64(content, uint64(it.Created))
	content = binary.BigEndian.AppendUint64(content, it.Next)
	content = binary.BigEndian.AppendUint32(content, it.Shard)
	content = append(content, it.Stream...)
	return s.seal(forIterators, content)
}

// OpenIterator reads an iterator and refuses one that is older than five
// minutes.
func (s *Sealer) OpenIterator(text string, now time.Time) (Iterator, error) {
	content, ok := s.open(forIterators, text)
	if !ok || len(content) < 28 {
		return Iterator{}, refuse(InvalidArgument, "Invalid ShardIterator.")
	}
	it := Iterator{
		Issued:  int64(binary.BigEndian.Uint64(content)),
		Created: int64(binary.BigEndian.Uint64(content[8:])),
		Next:    binary.BigEndian.Uint64(content[16:]),
		Shard:   binary.BigEndian.Uint32(content[24:]),
		Stream:  string(content[28:]),
	}
	if now.UnixMilli()-it.Issued > kinetrail.IteratorLifetime.Milliseconds() {
		return Iterator{}, it.Expired(now)
	}
	return it, nil
}

// Expired is the refusal of an iterator that is too old.
func (it Iterator) Expired(now time.Time) error {
	const layout = "Mon Jan 02 15:04:05 UTC 2006"
	return refuse(ExpiredIterator, "Iterator expired. The iterator was created at time %s while right now it is %s "+
		"which is further in the future than the tolerated delay of %d milliseconds.",
		time.UnixMilli(it.Issued).UTC().Format(layout), now.UTC().Format(layout), kinetrail.IteratorLifetime.Milliseconds())
}

// Iterator is the iterator for a place in one of the stream's shards.
func (s *Stream) Iterator(shard *Shard, next uint64, now time.Time) Iterator {
	return Iterator{Stream: s.Name, Created: s.Created.Unix(), Shard: shard.Index, Next: next, Issued: now.UnixMilli()}
}

// Follow returns the stream and shard an iterator was made for.
func (r *Region) Follow(it Iterator) (*Stream, *Shard, error) {
	stream, err := r.Stream(it.Stream)
	if err == nil && stream.Created.Unix() == it.Created {
		if shard := stream.ShardAt(it.Shard); shard != nil {
			return stream, shard, nil
		}
	}
	return nil, nil, refuse(ResourceNotFound, "Shard %s in stream %s under account %s does not exist",
		ShardID(it.Shard), it.Stream, r.account.ID)
}

// Locate is the counter a sequence number of this shard stands for. api is the
// operation that asks, for the message.
func (s *Stream) Locate(shard *Shard, number, api string) (uint64, error) {
	n, err := sequence.Parse(number)
	if err != nil {
		return 0, refuse(InvalidArgument, "StartingSequenceNumber %s used in %s on shard %s in stream %s under account %s is invalid.",
			number, api, shard.ID, s.Name, s.region.account.ID)
	}
	if n.Shard != shard.Index {
		return 0, refuse(InvalidArgument, "Invalid StartingSequenceNumber. It encodes %s, while it was used in a call to a shard with %s",
			n.ShardID(), shard.ID)
	}
	if n.Created != shard.Created {
		return 0, refuse(InvalidArgument, "StartingSequenceNumber %s used in %s on shard %s in stream %s under account %s is invalid "+
			"because it did not come from this stream.", number, api, shard.ID, s.Name, s.region.account.ID)
	}
	return n.Counter, nil
}

// Token is a place in a paged list.
type Token struct {
	Stream  string
	Created int64 // second the stream was created in
	After   string
	Issued  int64 // Unix milliseconds
}

// SealToken is the text of a token for lists of this kind.
func (s *Sealer) SealToken(list string, t Token) string {
	content := make([]byte, 0, 16+len(t.Stream)+1+len(t.After))
	content = binary.BigEndian.AppendUint64(content, uint64(t.Issued))
	content = binary.BigEndian.AppendUint64(content, uint64(t.Created))
	content = append(content, t.Stream...)
	content = append(content, 0)
	content = append(content, t.After...)
	return s.seal(list, content)
}

// OpenToken reads a token for lists of this kind and refuses one that is older
// than five minutes.
func (s *Sealer) OpenToken(list, text string, now time.Time) (Token, error) {
	content, ok := s.open(list, text)
	if !ok || len(content) < 16 {
		return Token{}, refuse(InvalidArgument, "Invalid NextToken.")
	}
	t := Token{
		Issued:  int64(binary.BigEndian.Uint64(content)),
		Created: int64(binary.BigEndian.Uint64(content[8:])),
	}
	t.Stream, t.After, _ = strings.Cut(string(content[16:]), "\x00")
	if now.UnixMilli()-t.Issued > kinetrail.IteratorLifetime.Milliseconds() {
		return Token{}, refuse(ExpiredNextToken, "The pagination token has expired: it is valid for %d milliseconds.",
			kinetrail.IteratorLifetime.Milliseconds())
	}
	return t, nil
}
