#!/bin/sh
# Sets up what is missing and nothing twice: npm packages, and with --tests also Debian packages (as root).
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
stamp=node_modules/.setup-stamp
if [ ! -f "$stamp" ] || [ package-lock.json -nt "$stamp" ]; then
  echo "setting up: npm packages" >&2
  # `npm ci` wants every platform's optional packages in the lock file, also those that a registry does not have; then
  # `install` sets up the same locked versions for this platform, and leaves the lock file as it is.
  npm ci --no-fund --no-audit --loglevel=silent >&2 ||
    npm install --no-save --no-fund --no-audit --loglevel=error >&2
  touch "$stamp"
fi
# The verifier as one file and as a page; nothing is done when they are newer than their sources.
node tools/build-verify.ts
if [ "${1:-}" = "--tests" ]; then
  sh tools/setup-tests.sh
fi
