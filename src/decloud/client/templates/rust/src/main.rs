// A request's method, path and query are in the environment, its body is standard input. What is
// printed is the answer; a header block before it is optional. Standard error is what
// `decloud logs` shows to you alone.
fn main() {
    let query = std::env::var("QUERY_STRING").unwrap_or_default();
    eprintln!("asked for {:?}", query);
    let who = if query.is_empty() { "decloud" } else { query.as_str() };
    print!("Content-Type: text/plain\n\nhello from {}\n", who);
}
