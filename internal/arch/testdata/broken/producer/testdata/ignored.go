package ignored

import _ "github.com/kinetrail/kinetrail/consumer"
