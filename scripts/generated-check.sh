#!/usr/bin/env bash
# Fails when a generated file is not what its generator writes. The tree is
# compared with itself before and after, so that uncommitted work does not count.
set -euo pipefail
cd "$(dirname "$0")/.."
before=$(mktemp -d)
trap 'rm -rf "$before"' EXIT
git ls-files -co --exclude-standard | while read -r f; do [ -f "$f" ] && sha256sum "$f"; done | sort > "$before/sums"
go generate ./...
if ! git ls-files -co --exclude-standard | while read -r f; do [ -f "$f" ] && sha256sum "$f"; done | sort | diff "$before/sums" - >/dev/null; then
	echo "generated files are not up to date; run 'make generate' and commit:"
	git status --porcelain
	exit 1
fi
