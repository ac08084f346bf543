package demo_test

import (
	"context"
	"fmt"
	"log"

	"github.com/kinetrail/kinetrail/internal/demo"
)

// The second act costs the order, the fourth nothing.
func ExamplePlay() {
	script := demo.Script()
	report, err := demo.Play(context.Background(), func(o *demo.Options) {
		o.Script = []demo.Act{script[1], script[3]}
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, act := range report.Acts {
		fmt.Printf("%s: connected %t, order kept %t\n", act.Carrier, act.Connected, act.OrderKept)
	}
	fmt.Println(len(report.Deviations()), "deviations")
	// Output:
	// partition-key: connected true, order kept false
	// lossless: connected true, order kept true
	// 0 deviations
}
