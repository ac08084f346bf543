package localkinesis

import (
	"github.com/kinetrail/kinetrail/localkinesis/state"
	"github.com/kinetrail/kinetrail/localkinesis/wire"
)

// encryptionInput is the input of StartStreamEncryption and of
// StopStreamEncryption.
type encryptionInput struct {
	streamRef
	EncryptionType *string `shape:"EncryptionType,required"`
	KeyId          *string `shape:"KeyId,required"`
}

// encryptedStream is the stream an input names; the only type it may name is
// KMS.
func (c *call) encryptedStream(in *encryptionInput) (*state.Stream, error) {
	if *in.EncryptionType != "KMS" {
		return nil, wire.Refuse(state.InvalidArgument, "EncryptionType must be KMS. It is %s.", *in.EncryptionType)
	}
	return c.stream(in.streamRef)
}

var startStreamEncryption = define("StartStreamEncryption", func(c *call, in *encryptionInput) (any, error) {
	stream, err := c.encryptedStream(in)
	if err != nil {
		return nil, err
	}
	return nil, stream.SetEncryption(*in.KeyId)
})
