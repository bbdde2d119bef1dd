#!/usr/bin/env bash
# Runs every test against real servers, fetching what is missing, and says in
# the last lines what ran without. With gcc present the race detector is on.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! command -v gcc >/dev/null 2>&1; then
	if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
		echo "test: gcc is missing and the race detector needs it; installing it"
		(apt-get -qq update && apt-get -y -qq install --no-install-recommends gcc libc6-dev) >/dev/null 2>&1 || true
	fi
fi
race=()
if command -v gcc >/dev/null 2>&1; then
	race=(-race)
	export CGO_ENABLED=1
else
	export CGO_ENABLED=0
fi

scripts/fetch-databases.sh core
lanes=$(mktemp)
trap 'rm -f "$lanes"' EXIT
scripts/fetch-databases.sh all || echo "test: not every further server could be had; see above"
export FLOWYTE_MISSING_LANES=$lanes

status=0
go test "${race[@]}" -timeout 30m ${TEST_ARGS:-} ./... || status=$?
# With the 2,000 of the tests, 10,000 hostile connections for each driver.
scripts/hostile.sh 8000 || status=$?

if [ ${#race[@]} -gt 0 ]; then
	# Under the race detector allocations and times are something else.
	CGO_ENABLED=0 go test -count=1 -run '^(TestRouteAllocations|TestRefusalsTakeOneTime)$' ./internal/apptest ./internal/auth || status=$?
fi

if [ ${#race[@]} -eq 0 ]; then
	echo "test: WITHOUT the race detector, for want of gcc"
fi
if [ -s "$lanes" ]; then
	echo "test: these ran without their server:"
	sort -u "$lanes" | sed 's/^/  /'
fi
exit "$status"
