package main

import (
	"fmt"
	"os"
)

// A request's method, path and query are in the environment, its body is standard input. What is
// printed is the answer; a header block before it is optional. Standard error is what
// `decloud logs` shows to you alone.
func main() {
	query := os.Getenv("QUERY_STRING")
	fmt.Fprintf(os.Stderr, "asked for %q\n", query)
	if query == "" {
		query = "decloud"
	}
	fmt.Printf("Content-Type: text/plain\n\nhello from %s\n", query)
}
