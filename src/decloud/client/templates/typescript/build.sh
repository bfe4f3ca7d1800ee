#!/bin/sh
# build/@NAME@.tar: this machine's Node and main.mts, checked and compiled.
set -eu
[ -d node_modules ] || npm ci --prefer-offline --no-audit --no-fund --loglevel=error
node_modules/.bin/tsc
exec python3 image.py build/@NAME@.tar --binary "$(command -v node)=/usr/bin/node" --file build/main.mjs=/app/main.mjs \
    -- /usr/bin/node /app/main.mjs
