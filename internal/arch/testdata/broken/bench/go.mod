module github.com/kinetrail/kinetrail/bench
