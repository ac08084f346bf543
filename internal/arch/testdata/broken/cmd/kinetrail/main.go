package main

import "github.com/kinetrail/kinetrail/producer"

func main() { producer.Put(nil) }
