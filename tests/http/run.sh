#!/usr/bin/env bash
# Runs the contract, HTTP and browser tests against a built program.
#
#   STYLIZED_BIN=build/src/app/stylized tests/http/run.sh [all | http | service | browser | part of a test file's name]...
#
# Needs Node.js 18 or newer with npm and, for the browser tests, /usr/bin/chromium. Without chromium they fail;
# STYLIZED_SKIP_BROWSER=1 leaves them out. The npm packages, test tools only, are installed when they are missing or
# older than the lock file. Exit code 0 when every test passed and every producible answer of openapi.yaml was seen.
set -euo pipefail
tests=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
[ -z "${STYLIZED_BIN:-}" ] || STYLIZED_BIN=$(realpath "$STYLIZED_BIN")
export STYLIZED_BIN="${STYLIZED_BIN:-$tests/../build/src/app/stylized}"

cd "$tests"
if [ ! node_modules/.package-lock.json -nt package-lock.json ]; then
  npm ci --no-audit --no-fund --loglevel=error
  touch node_modules/.package-lock.json
fi
exec node http/run.mjs "$@"
