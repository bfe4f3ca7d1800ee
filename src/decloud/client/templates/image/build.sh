#!/bin/sh
# build/@NAME@.tar: an OCI image with whatever a function needs. What `docker save` writes does as well.
set -eu
exec python3 image.py build/@NAME@.tar --binary /bin/dash=/bin/sh --binary /bin/date --file main.sh=/app/main.sh \
    -- /bin/sh /app/main.sh
