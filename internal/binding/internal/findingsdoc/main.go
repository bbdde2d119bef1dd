// Command findingsdoc writes docs/findings.md from the catalogue of findings.
package main

import (
	"flag"
	"log"
	"os"

	"flowyte/internal/binding"
)

func main() {
	out := flag.String("o", "", "file to write")
	flag.Parse()
	if err := os.WriteFile(*out, binding.Documentation(), 0o644); err != nil {
		log.Fatal(err)
	}
}
