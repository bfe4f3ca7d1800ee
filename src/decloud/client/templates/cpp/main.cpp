#include <cstdlib>
#include <iostream>
#include <string>

// A request's method, path and query are in the environment, its body is standard input. What is
// printed is the answer; a header block before it is optional. Standard error is what
// `decloud logs` shows to you alone.
int main() {
    const char* found = std::getenv("QUERY_STRING");
    const std::string query = found ? found : "";
    std::cerr << "asked for \"" << query << "\"\n";
    std::cout << "Content-Type: text/plain\n\nhello from " << (query.empty() ? "decloud" : query)
              << "\n";
}
