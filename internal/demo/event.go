package demo

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"time"

	"go.opentelemetry.io/otel/trace"
)

const (
	// groups is the number of groups, group-1 to group-20.
	groups = 20

	// atWork is how many groups have events on their way at the same time. As
	// in life, the events of a group come close together and among those of
	// others.
	atWork = 5

	// longestWork leaves a millisecond of the 20 that a handler may take to the
	// timer.
	longestWork = 19 * time.Millisecond
)

// event is what event-producer publishes. All events of a group have the group
// as their partition key.
type event struct {
	ID     string `json:"id"`
	Group  string `json:"group"`
	Number int    `json:"number"` // within the group, from 1

	trace trace.TraceID // of the span it was put under
}

// eventsPerGroup is 5, and more where there are fewer shards: the fewer events
// are handled at once, the more it takes until two of them are of one group.
func eventsPerGroup(shards int) int { return max(5, 25/shards) }

// newEvents returns the events of an act in the order in which they are put:
// the groups at work in turns, then the next groups.
func newEvents(perGroup int) []event {
	events := make([]event, 0, groups*perGroup)
	for first := 1; first <= groups; first += atWork {
		for number := 1; number <= perGroup; number++ {
			for g := first; g < first+atWork; g++ {
				group := groupName(g)
				events = append(events, event{ID: eventID(g, number), Group: group, Number: number})
			}
		}
	}
	return events
}

// data is the payload, the same in every act.
func (e event) data() []byte {
	data, err := json.Marshal(e)
	if err != nil {
		panic(err) // two strings and a number
	}
	return data
}

func readEvent(data []byte) (event, error) {
	var e event
	if err := json.Unmarshal(data, &e); err != nil {
		return event{}, fmt.Errorf("the data is no event: %w", err)
	}
	return e, nil
}

// work is how long a handler waits over the event, from 1 ms to longestWork and
// always the same.
func (e event) work() time.Duration {
	hash := fnv.New32a()
	hash.Write([]byte(e.ID))
	return time.Millisecond * time.Duration(1+hash.Sum32()%uint32(longestWork/time.Millisecond))
}

func groupName(n int) string { return fmt.Sprintf("group-%d", n) }

func eventID(group, number int) string { return fmt.Sprintf("%s/%d", groupName(group), number) }
