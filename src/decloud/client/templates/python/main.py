import os
import sys

# A request's method, path and query are in the environment, its body is standard input. What is printed is the answer;
# a header block before it is optional. Standard error is what `decloud logs` shows to you alone.
query = os.environ.get("QUERY_STRING", "")
print(f"asked for {query!r}", file=sys.stderr)
print(f"Content-Type: text/plain\n\nhello from {query or 'decloud'}")
