package bench

import _ "github.com/kinetrail/kinetrail/consumer"
