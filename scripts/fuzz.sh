#!/usr/bin/env bash
# Runs every fuzz target for the time given (default 60s), one after the other.
set -euo pipefail
cd "$(dirname "$0")/.."
time=${1:-60s}
export CGO_ENABLED=${CGO_ENABLED:-0}
failed=0
while IFS=: read -r file name; do
	dir=./$(dirname "$file")
	echo "fuzz: $name in $dir for $time"
	# Minimising for coverage would take most of the time where servers are played.
	go test "$dir" -run '^$' -fuzz "^$name\$" -fuzztime "$time" -fuzzminimizetime 20x || failed=1
done < <(git ls-files '*_test.go' | xargs grep -oE '^func (Fuzz[A-Za-z0-9_]+)' | sed -E 's/:func /:/' | sort)
exit "$failed"
