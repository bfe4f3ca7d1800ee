"""HTTP servers of tests, by Python's own handlers."""

import contextlib
import http.server
import threading


@contextlib.contextmanager
def serving(handler, **state):
    """A server on a free port of loopback, with `port`, `url` and what `state` names; the handler sees it as `self.server`."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads, server.port = True, server.server_address[1]
        server.url = f"http://127.0.0.1:{server.port}"
        vars(server).update(state)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def send(handler, content, status=200, **headers):
    """A whole answer of `handler`."""
    handler.send_response(status)
    for name, value in {**headers, "Content-Length": str(len(content))}.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(content)
