#!/bin/sh
# build/@NAME@.tar: Debian's Python, its standard library and main.py. Needs Debian's python3.
set -eu
python=$(readlink -f /usr/bin/python3)
version=${python##*/}
exec "$python" image.py build/@NAME@.tar --package "$version-minimal" --package "lib$version-minimal" \
    --package "lib$version-stdlib" --file main.py=/app/main.py -- "$python" -I /app/main.py
