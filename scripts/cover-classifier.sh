#!/usr/bin/env bash
# Fails unless the tests of egress reach every statement of what decides where
# a connection may go.
set -euo pipefail
cd "$(dirname "$0")/.."
profile=$(mktemp)
trap 'rm -f "$profile"' EXIT
CGO_ENABLED=0 go test -coverprofile "$profile" ./internal/egress
missed=$(grep -E '/(class|host|guard|verify|conn)\.go:' "$profile" | grep -E ' 0$' || true)
if [ -n "$missed" ]; then
	echo "cover: not reached:"
	echo "$missed"
	exit 1
fi
echo "cover: every statement of class.go, host.go, guard.go, verify.go and conn.go is reached"
