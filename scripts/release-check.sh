#!/usr/bin/env bash
# What a release needs beyond `make check`: every server present, both
# architectures, and a look-up of known vulnerabilities, which needs a network
# that build machines may not have.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/fetch-databases.sh all
lanes=$(mktemp)
trap 'rm -f "$lanes"' EXIT
export FLOWYTE_MISSING_LANES=$lanes
go test -timeout 60m ./...
if [ -s "$lanes" ]; then
	echo "release-check: these ran without their server:"
	sort -u "$lanes"
	exit 1
fi
for arch in amd64 arm64; do
	echo "release-check: building for linux/$arch"
	CGO_ENABLED=0 GOOS=linux GOARCH=$arch go build -trimpath -o /dev/null ./cmd/flowyte
done
if command -v govulncheck >/dev/null 2>&1; then
	govulncheck ./...
else
	echo "release-check: govulncheck is not installed; install it and run 'govulncheck ./...' before releasing"
	exit 1
fi
