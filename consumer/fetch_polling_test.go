package consumer

import (
	"context"
	"net/http"
	"testing"
	"time"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

func TestTheServicesTimeIsItsWholeSecondWhateverOurClockSays(t *testing.T) {
	t.Parallel()
	second := time.Date(2026, 11, 20, 9, 30, 0, 0, time.UTC)
	for _, tt := range []struct {
		name string
		date string
		ours time.Duration // our clock when the service is asked, from the second on
		want time.Duration
	}{
		{"our clock in the same second, perhaps ahead of the service's", second.Format(http.TimeFormat), 700 * time.Millisecond, 0},
		{"our clock at the second", second.Format(http.TimeFormat), 0, 0},
		{"our clock ahead", second.Format(http.TimeFormat), time.Hour, 0},
		{"our clock behind", second.Format(http.TimeFormat), -time.Hour, 0},
		{"an answer without a time", "", 700 * time.Millisecond, 700 * time.Millisecond},
	} {
		got := serverTime(answerOf(t, tt.date), second.Add(tt.ours))
		if want := second.Add(tt.want); !got.Equal(want) {
			t.Errorf("%s: the service's time is %v; want %v", tt.name, got, want)
		}
	}
}

// answerOf is what the SDK notes of an answer with this Date.
func answerOf(t *testing.T, date string) middleware.Metadata {
	t.Helper()
	answer := &smithyhttp.Response{Response: &http.Response{Header: http.Header{"Date": {date}}}}
	_, metadata, err := awsmiddleware.RecordResponseTiming{}.HandleDeserialize(t.Context(), middleware.DeserializeInput{},
		middleware.DeserializeHandlerFunc(func(context.Context, middleware.DeserializeInput) (middleware.DeserializeOutput, middleware.Metadata, error) {
			return middleware.DeserializeOutput{RawResponse: answer}, middleware.Metadata{}, nil
		}))
	if err != nil {
		t.Fatal(err)
	}
	return metadata
}
