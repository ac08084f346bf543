// Reads keys in base64, a line each, and writes what ReadKey finds in each:
// key and trace headers as name:base64 on one line, without the key when it is
// not known.
package main

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"log"
	"os"
)

func main() {
	keys := bufio.NewScanner(os.Stdin)
	for keys.Scan() {
		key, err := base64.StdEncoding.DecodeString(keys.Text())
		if err != nil {
			log.Fatal(err)
		}
		found, original, known := ReadKey(string(key))
		if known {
			write("key", original)
		}
		for name, value := range found {
			write(name, value)
		}
		fmt.Println()
	}
	if err := keys.Err(); err != nil {
		log.Fatal(err)
	}
}

func write(name, value string) {
	fmt.Printf("%s:%s ", name, base64.StdEncoding.EncodeToString([]byte(value)))
}
