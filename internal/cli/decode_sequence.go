package cli

import (
	"fmt"

	"github.com/kinetrail/kinetrail/localkinesis/sequence"
)

// decodedSequence is the document of a sequence number.
type decodedSequence struct {
	SequenceNumber string `json:"sequence_number"`
	Version        int    `json:"version"`
	ShardID        string `json:"shard_id"`
	ShardCreatedAt string `json:"shard_created_at"`
	IssuedAt       string `json:"issued_at"`
	Counter        uint64 `json:"counter"`
	Place          string `json:"place"`
}

// sequenceVersion is the layout of every sequence number since 2014, the only
// one that sequence.Parse takes.
const sequenceVersion = 2

func (a *app) decodeSequence(form *choice, text string) error {
	number, err := sequence.Parse(text)
	if err != nil {
		return err
	}
	const toTheSecond = "2006-01-02T15:04:05Z"
	d := decodedSequence{
		SequenceNumber: text,
		Version:        sequenceVersion,
		ShardID:        number.ShardID(),
		ShardCreatedAt: number.CreatedAt().Format(toTheSecond),
		IssuedAt:       number.At().Format(toTheSecond),
		Counter:        number.Counter,
		Place:          placeInShard(number),
	}
	if form.value == asJSON {
		return a.writeJSON(d)
	}
	return a.writeFacts([]fact{
		{"Sequence number", d.SequenceNumber},
		{"Version", fmt.Sprint(d.Version)},
		{"Shard", d.ShardID},
		{"Shard created", d.ShardCreatedAt},
		{"Given out", d.IssuedAt},
		{"Counter", fmt.Sprint(d.Counter)},
		{"Place", d.Place},
	})
}

// placeInShard says what the number stands for.
func placeInShard(number sequence.Number) string {
	switch {
	case number.IsEnd():
		return "end of the shard"
	case number.Counter == 0:
		return "start of the shard"
	}
	return "record"
}
