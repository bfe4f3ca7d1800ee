"""Thousands of slow clients at a gateway: one that is not slow is answered all the while. How long its calls took is said,
and held to nothing here."""

import os
import pathlib
import re
import resource
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
import http1  # noqa: E402
from harness import interop_cloud  # noqa: E402

CONNECTIONS = 4000
SECONDS = 12
# Busy machines need longer to connect so often.
DEADLINE = 120
ATTACKS = {
    "slow heads": ["-H", "-i", "2"],
    "slow bodies": ["-B", "-i", "2", "-s", "100000"],
    "slow readers": ["-X", "-n", "2", "-w", "10", "-y", "20", "-z", "5", "-k", "3"],
}


def many_files():
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


class GoodClient:
    """Calls one after the other until it is left."""

    def __init__(self, url):
        self.url, self.times, self.wrong = url, [], []
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._run)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()

    def _run(self):
        while not self.over.is_set():
            begin = time.monotonic()
            try:
                answer = http1.request(self.url, timeout=20)
                if answer.status != 200:
                    self.wrong.append(f"{answer.status} {answer.text[:200]}")
            except OSError as error:
                self.wrong.append(repr(error))
            self.times.append(time.monotonic() - begin)
            self.over.wait(0.02)

    def p99(self):
        return sorted(self.times)[len(self.times) * 99 // 100] * 1000


def counts(text):
    """(connections that were open at one time or had been closed again, those that failed): the most it told of."""
    told = [list(map(int, each)) for each in re.findall(
        r"connected:\s+(\d+)\s+error:\s+(\d+)\s+closed:\s+(\d+)", re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", text))]
    return max((connected + closed for connected, _, closed in told), default=0), max((each[1] for each in told), default=0)


def attack(words, attacked, output):
    """Lets go when all connections have been made and SECONDS have passed, or the tool ends by itself."""
    process = subprocess.Popen(
        ["slowhttptest", *words, "-c", str(CONNECTIONS), "-r", "1000", "-l", str(DEADLINE), "-p", "5", "-u", attacked],
        stdout=output, stderr=subprocess.STDOUT, preexec_fn=many_files)
    begin = time.monotonic()
    try:
        while process.poll() is None and time.monotonic() - begin < DEADLINE:
            time.sleep(0.5)
            told = pathlib.Path(output.name).read_text(errors="replace")
            if time.monotonic() - begin >= SECONDS and counts(told)[0] >= CONNECTIONS:
                break
    finally:
        process.kill()
        process.wait()
    return pathlib.Path(output.name).read_text(errors="replace")


def check(name, words, attacked, url, quiet):
    with GoodClient(url) as client, tempfile.NamedTemporaryFile() as output:
        told = attack(words, attacked, output)
    time_of = f"p99 of a good client {client.p99():.1f} ms, {quiet:.1f} ms before"
    opened, errors = counts(told)
    if client.wrong or len(client.times) < SECONDS or opened < CONNECTIONS or errors:
        print(f"not ok {name}\n{len(client.wrong)} of {len(client.times)}: {client.wrong[:3]}; {opened} connections were "
              f"open, {errors} failed: {told[-1500:]}")
        return False
    print(f"# {name}, {CONNECTIONS} connections: {time_of}\nok {name}", flush=True)
    return True


def main():
    with interop_cloud() as cloud:
        # Costs nobody anything, unlike the function that waits for its bodies.
        url = f"{cloud.gateway_url}/p/alice.decloud/.well-known/decloud"
        attacked = {"slow bodies": cloud.gateway(cloud.cid("hello"))}
        with GoodClient(url) as client:
            client.over.wait(4)
        passed = [check(name, words, attacked.get(name, url), url, client.p99()) for name, words in ATTACKS.items()]
    return 0 if all(passed) else 1


if __name__ == "__main__":
    os.environ.setdefault("DECLOUD", str(pathlib.Path(os.environ["DECLOUD_BUILD"]) / "decloud"))
    sys.exit(main())
