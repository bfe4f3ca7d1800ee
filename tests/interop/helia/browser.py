"""A page in headless Chromium, from an origin of its own, and what it sends back."""

import http.server
import json
import os
import pathlib
import queue
import shutil
import subprocess
import threading
import urllib.parse

from harness import Failure

HERE = pathlib.Path(__file__).resolve().parent
TYPES = {".html": "text/html", ".js": "text/javascript"}


class Site(http.server.BaseHTTPRequestHandler):
    """The page and the bundles that its packages bring along."""

    def log_message(self, *_):
        pass

    def do_GET(self):
        name = urllib.parse.urlsplit(self.path).path.lstrip("/")
        file = HERE / name if name == "page.html" else HERE / "node_modules" / name
        if not file.is_file():
            self.send_error(404)
            return
        content = file.read_bytes()
        self.send_response(200)
        self.send_header("Content-Type", TYPES[file.suffix])
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_POST(self):
        self.server.results.put(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(204)
        self.end_headers()


def run_page(folder, **query):
    """What page.html sends for `query`."""
    program = shutil.which("chromium-headless-shell")
    if program is None:
        raise Failure("chromium-headless-shell is missing: ./check interop installs it")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Site)
    server.daemon_threads, server.results = True, queue.Queue()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    # Its own sandbox does not start for root, and would add nothing around two pages of ours.
    command = [program, "--no-sandbox", "--disable-gpu", "--no-proxy-server", f"--user-data-dir={folder}",
               "--remote-debugging-port=0", f"http://127.0.0.1:{server.server_port}/page.html?" + urllib.parse.urlencode(query)]
    log = folder.with_suffix(".log")
    with log.open("wb") as output:
        browser = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                                   env=os.environ | {"HOME": str(folder)})
    try:
        return json.loads(server.results.get(timeout=120))
    except queue.Empty:
        raise Failure(f"the page sent nothing within two minutes: {log.read_text(errors='replace')[-2000:]}") from None
    finally:
        browser.terminate()
        browser.wait()
        server.shutdown()
        thread.join()
        server.server_close()
