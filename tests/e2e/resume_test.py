"""Answers that break off: `decloud request --continue` gets the rest, and only of what is free."""

import http.server
import re
import threading

from harness import expect, expect_equal

CONTENT = bytes(range(256)) * 4096


class Ranges(http.server.BaseHTTPRequestHandler):
    """A file by ranges. Each answer breaks off after a third of the file, as long as `broken` lasts."""

    broken, asked = 0, []

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        asked = self.headers.get("Range")
        Ranges.asked.append(asked)
        start = int(re.fullmatch(r"bytes=(\d+)-", asked).group(1)) if asked and self.path != "/whole" else 0
        if start >= len(CONTENT):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(CONTENT)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}")
        self.send_header("Content-Length", str(len(CONTENT) - start))
        self.end_headers()
        part = CONTENT[start:]
        if Ranges.broken:
            Ranges.broken -= 1
            part = part[:len(CONTENT) // 3]
        self.wfile.write(part)
        self.close_connection = True

    def log_message(self, *_):
        pass


def test_a_request_goes_on_where_it_broke_off(cloud, folder):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Ranges)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    file, out = folder / "service.toml", folder / "out"
    file.write_text(f'name = "ranges.alice"\nurl = "http://127.0.0.1:{server.server_port}"\n[methods.get]\n[methods.whole]\n')
    cloud.good("service", "add", file)
    words = ("request", "alice.decloud", "ranges.alice.get", "-o", str(out))
    try:
        Ranges.broken = 2
        cloud.good(*words, "--continue", "--tries", "3")
        expect_equal(out.read_bytes(), CONTENT, "three parts")
        first, *rest = Ranges.asked
        expect(first is None and len(rest) == 2 and all(rest), f"{Ranges.asked}")
        cloud.good(*words, "--continue")
        expect_equal(out.read_bytes(), CONTENT, "it was whole")
        out.write_bytes(CONTENT[:1000])
        Ranges.asked.clear()
        cloud.good(*words, "-c")
        expect_equal((out.read_bytes(), Ranges.asked), (CONTENT, ["bytes=1000-"]), "the rest of a file")
        out.write_bytes(b"another")
        cloud.good("request", "alice.decloud", "ranges.alice.whole", "-o", str(out), "-c")
        expect_equal(out.read_bytes(), CONTENT, "a server that answers no ranges starts again")
        Ranges.broken = 1
        expect(cloud.cli(*words).code != 0, "without --continue it has failed")
    finally:
        server.shutdown()
        server.server_close()
    for more in (("--pay", "attached"), ("--bid", "fixed")):
        paid = cloud.cli(*words, "-c", *more)
        expect_equal(paid.code, 64, "what is paid is not paid twice")
        expect("paid for again" in paid.err, paid.err)
    expect_equal(cloud.cli("request", "alice.decloud", "info.info", "-c").code, 64, "no file")
