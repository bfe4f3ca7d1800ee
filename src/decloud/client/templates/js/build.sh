#!/bin/sh
# build/@NAME@.tar: this machine's Node and main.mjs.
set -eu
exec python3 image.py build/@NAME@.tar --binary "$(command -v node)=/usr/bin/node" --file main.mjs=/app/main.mjs \
    -- /usr/bin/node /app/main.mjs
