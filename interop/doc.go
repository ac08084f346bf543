// Command interop holds kinetrail to the libraries that others use: they call
// the local server, read what kinetrail writes, and write what kinetrail reads.
//
//	AWS CLI, boto3, SDK for JavaScript, SDK for Java ─► kinetrail serve
//	producer ─► containers ─► deaggregators of Python, Node and Java
//	KPL and its daemon ─► local server over TLS ─► consumer
//	codecs ─► async-kinesis ─► codecs
//	key carriers ─► readers in Python, Node and Java
//
// The script run installs the libraries, then calls this command. Go decides
// what is right; what runs in the other languages only does and tells, as
// dialogue.go describes.
package main
