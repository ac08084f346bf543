package cli

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/spf13/cobra"
)

// listedStream is one line of list.
type listedStream struct {
	Name      string     `json:"stream_name"`
	ARN       string     `json:"stream_arn"`
	Status    string     `json:"status"`
	Mode      string     `json:"mode"`
	CreatedAt *time.Time `json:"created_at"`
}

func (a *app) listCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the streams",
		Long: `list shows the streams of the account in the region, or of the local server.

-o tsv prints name, status, mode and time of creation, separated by tabs.`,
		Example: `  kinetrail --local list
  kinetrail --region eu-west-1 list -o json`,
		Args: wantArgs(0, 0, ""),
	}
	form := outputFlag(cmd, asTable, asJSON, asTSV)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		client, err := a.connection.client(cmd.Context())
		if err != nil {
			return err
		}
		streams, err := listStreams(cmd.Context(), client)
		if err != nil {
			return err
		}
		return a.writeStreams(form, streams)
	}
	return cmd
}

func listStreams(ctx context.Context, client *kinesis.Client) ([]listedStream, error) {
	streams := []listedStream{}
	for pages := kinesis.NewListStreamsPaginator(client, &kinesis.ListStreamsInput{}); pages.HasMorePages(); {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		summaries := page.StreamSummaries
		if len(summaries) == 0 { // servers older than 2022 have names only
			for i := range page.StreamNames {
				summaries = append(summaries, types.StreamSummary{StreamName: &page.StreamNames[i]})
			}
		}
		for _, s := range summaries {
			streams = append(streams, listedStream{
				Name:      aws.ToString(s.StreamName),
				ARN:       aws.ToString(s.StreamARN),
				Status:    string(s.StreamStatus),
				Mode:      modeOf(s.StreamModeDetails),
				CreatedAt: s.StreamCreationTimestamp,
			})
		}
	}
	return streams, nil
}

// modeOf is the stream mode in words; streams are provisioned unless told
// otherwise.
func modeOf(details *types.StreamModeDetails) string {
	if details != nil && details.StreamMode == types.StreamModeOnDemand {
		return "on-demand"
	}
	return "provisioned"
}

func (a *app) writeStreams(form *choice, streams []listedStream) error {
	if form.value == asJSON {
		return a.writeJSON(streams)
	}
	rows := make([][]string, len(streams))
	for i, s := range streams {
		rows[i] = []string{s.Name, s.Status, s.Mode, wallTime(s.CreatedAt)}
	}
	if form.value == asTSV {
		for _, row := range rows {
			if _, err := io.WriteString(a.stdout, strings.Join(row, "\t")+"\n"); err != nil {
				return err
			}
		}
		return nil
	}
	if len(rows) == 0 {
		_, err := fmt.Fprintln(a.stdout, "There are no streams.")
		return err
	}
	return a.writeTable([]string{"STREAM", "STATUS", "MODE", "CREATED"}, rows,
		leaveOut("CREATED"), leaveOut("MODE"), shortenMiddle("STREAM", 12))
}

// wallTime is a time as tables show it, to the second.
func wallTime(t *time.Time) string {
	if t == nil {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04:05 UTC")
}
