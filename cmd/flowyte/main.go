// Command flowyte lets voice and chat agents use a company's own database
// during a live call.
package main

import (
	"os"

	_ "time/tzdata" // agents have time zones; the machine may have none

	"flowyte/internal/cli"
)

func main() { os.Exit(cli.Main(os.Args[1:], os.Stdout, os.Stderr)) }
