package lambdatrigger

import (
	"bytes"
	"encoding/json"
	"slices"

	"github.com/kinetrail/kinetrail"
)

// firstFailure reads a partial batch response: the index of the first record
// that is to be delivered again, the batch's length when all are done.
//
// No list, an empty one and no response mean success. An empty item identifier,
// none, or one that is not in the batch means that the whole batch has failed
// (AWS Lambda Developer Guide, partial batch response with Kinesis); so does a
// response that is no JSON object. Of several the lowest counts.
func firstFailure(response []byte, batch []entry) int {
	if len(bytes.TrimSpace(response)) == 0 {
		return len(batch)
	}
	var answer struct {
		BatchItemFailures []struct {
			ItemIdentifier string `json:"itemIdentifier"`
		} `json:"batchItemFailures"`
	}
	if json.Unmarshal(response, &answer) != nil {
		return 0
	}
	first := len(batch)
	for _, failure := range answer.BatchItemFailures {
		failed := kinetrail.At(failure.ItemIdentifier, 0)
		i, known := slices.BinarySearchFunc(batch, failed, func(e entry, p kinetrail.Position) int {
			return kinetrail.At(e.sequence, 0).Compare(p)
		})
		if !known {
			return 0
		}
		first = min(first, i)
	}
	return first
}
