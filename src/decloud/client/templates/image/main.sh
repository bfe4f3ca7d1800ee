#!/bin/sh
# A request's method, path and query are in the environment, its body is standard input. What is
# printed is the answer; a header block before it is optional. Standard error is what
# `decloud logs` shows to you alone.
echo "asked for \"$QUERY_STRING\" at $(date -u)" >&2
printf 'Content-Type: text/plain\n\nhello from %s\n' "${QUERY_STRING:-decloud}"
