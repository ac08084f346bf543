package producer_test

import (
	_ "github.com/kinetrail/kinetrail/internal/cli"
	_ "github.com/kinetrail/kinetrail/localkinesis"
	_ "github.com/stretchr/testify/require"
	_ "pgregory.net/rapid"
)
