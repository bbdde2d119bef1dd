#!/usr/bin/env bash
# Lets N hostile servers loose on each driver (default 10000), without the race
# detector, and tells what came of it. The tests themselves do it with 2000.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
CGO_ENABLED=0 go test -c -o "$work/hostile.test" ./internal/target/targettest
FLOWYTE_HOSTILE=${1:-10000} "$work/hostile.test" -test.v -test.timeout 10m -test.run '^TestHostileConnections$'
