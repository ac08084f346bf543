package localkinesis

import "github.com/kinetrail/kinetrail/localkinesis/state"

type updateStreamWarmThroughputInput struct {
	streamRef
	WarmThroughputMiBps *int64 `shape:"NaturalInteger,required"`
}

type updateStreamWarmThroughputOutput struct {
	StreamARN      string
	StreamName     string
	WarmThroughput *warmThroughput
}

type warmThroughput struct {
	TargetMiBps  int
	CurrentMiBps int
}

var updateStreamWarmThroughput = define("UpdateStreamWarmThroughput", func(c *call, in *updateStreamWarmThroughputInput) (any, error) {
	stream, err := c.stream(in.streamRef)
	if err != nil {
		return nil, err
	}
	target := int(*in.WarmThroughputMiBps)
	if err := stream.SetWarmThroughput(target); err != nil {
		return nil, err
	}
	warm := warmThroughputOf(stream)
	warm.TargetMiBps = target
	return &updateStreamWarmThroughputOutput{StreamARN: stream.ARN(), StreamName: stream.Name, WarmThroughput: warm}, nil
})

func warmThroughputOf(stream *state.Stream) *warmThroughput {
	warm := stream.WarmThroughput()
	return &warmThroughput{TargetMiBps: warm, CurrentMiBps: warm}
}
