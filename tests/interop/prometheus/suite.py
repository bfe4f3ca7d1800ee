"""What operators get: units that systemd takes, rules that Prometheus takes, queries that a running cloud answers, and a
page that lists the metrics it has."""

import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import traceback
import urllib.parse
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
from edge import Gateway  # noqa: E402
from harness import Failure, expect, expect_equal, interop_cloud, new_folder, wait_for  # noqa: E402

DEPLOY = ROOT / "deploy"
PAGE = ROOT / "docs" / "metrics.md"


def fetch(url):
    with urllib.request.urlopen(url, timeout=20) as answer:
        return answer.read().decode()


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def queries():
    """What dashboard and alerts ask: (name, query)."""
    board = json.loads((DEPLOY / "grafana" / "decloud.json").read_text())
    for panel in board["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"]
    for name, query in re.findall(r"- alert: (\w+)\n\s+expr: (.*)", (DEPLOY / "prometheus" / "alerts.yml").read_text()):
        yield name, query


def families(text):
    """name -> (type, help, labels) of a text in Prometheus' format."""
    found = {}
    for kind, name, rest in re.findall(r"^# (HELP|TYPE) (\S+) (.*)$", text, re.MULTILINE):
        found.setdefault(name, {})[kind] = rest
    for name, family in found.items():
        sample = re.compile(rf"^{name}(?:_bucket|_sum|_count)?{{(.*)}} ", re.MULTILINE)
        labels = {label for line in sample.findall(text) for label in re.findall(r'(\w+)="', line)}
        family["labels"] = sorted(labels - {"le"})
    return found


def table(title, text):
    lines = [f"## {title}", "", "| metric | type | labels | |", "|---|---|---|---|"]
    for name, family in sorted(families(text).items()):
        labels = ", ".join(f"`{label}`" for label in family["labels"])
        lines.append(f"| `{name}` | {family['TYPE']} | {labels} | {family['HELP'].rstrip('.')} |")
    return "\n".join(lines) + "\n"


class Prometheus:
    """One that scrapes what deploy/prometheus.yml names, at the ports of a cloud, every second."""

    def __init__(self, programs, folder, targets):
        self.port = free_port()
        text = (DEPLOY / "prometheus" / "prometheus.yml").read_text().replace("15s", "1s")
        for wanted, found in targets.items():
            expect(wanted in text, f"{wanted} is not in prometheus.yml")
            text = text.replace(wanted, found)
        (folder / "prometheus.yml").write_text(text)
        shutil.copy(DEPLOY / "prometheus" / "alerts.yml", folder)
        self.process = subprocess.Popen(
            [programs / "prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
             f"--web.listen-address=127.0.0.1:{self.port}"], stdout=subprocess.DEVNULL,
            stderr=(folder / "log").open("w"))

    def ask(self, query):
        answer = json.loads(fetch(f"http://127.0.0.1:{self.port}/api/v1/query?" + urllib.parse.urlencode({"query": query})))
        expect_equal(answer["status"], "success", query)
        return answer["data"]["result"]

    def value(self, query):
        try:
            result = self.ask(query)
        except OSError:
            return None
        return float(result[0]["value"][1]) if result else None

    def stop(self):
        self.process.kill()
        self.process.wait()


class Tests:
    def __init__(self, programs):
        self.programs = pathlib.Path(programs)
        self.folder = pathlib.Path(new_folder("prometheus"))
        self.cloud = interop_cloud().__enter__()
        console = free_port()
        self.gateway = Gateway(self.cloud, self.folder / "gateway", more=f'console = "127.0.0.1:{console}"\n').__enter__()
        self.consoles = {"provider": self.cloud.console_url, "gateway": f"http://127.0.0.1:{console}"}
        self.call("hello")
        targets = {"127.0.0.1:8401": self.consoles["provider"].removeprefix("http://"),
                   "127.0.0.1:8403": self.consoles["gateway"].removeprefix("http://")}
        self.prometheus = Prometheus(self.programs, self.folder, targets)

    def call(self, name):
        function, = (each for each in self.cloud.info["functions"] if each["name"] == name)
        fetch(f"http://127.0.0.1:{self.gateway.port}/p/alice.decloud/{function['cid']}")

    def metrics(self, name):
        return fetch(self.consoles[name] + "/metrics")

    def test_systemd_takes_the_units(self):
        for unit in sorted((DEPLOY / "systemd").glob("*.service")):
            copy = self.folder / unit.name
            copy.write_text(unit.read_text().replace("/usr/local/bin/decloud", os.environ["DECLOUD"]))
            done = subprocess.run(["systemd-analyze", "verify", copy], capture_output=True, text=True)
            expect_equal((done.returncode, done.stderr), (0, ""), unit.name)
        done = subprocess.run(["systemd-analyze", "security", "--offline=true", "--threshold=20", "--no-pager",
                               DEPLOY / "systemd" / "decloud-gateway.service"], capture_output=True, text=True)
        expect_equal(done.returncode, 0, done.stdout)

    def test_the_commands_of_the_units_are_the_programs(self):
        for unit in sorted((DEPLOY / "systemd").glob("*.service")):
            words = re.search(r"^ExecStart=/usr/local/bin/decloud (.*)$", unit.read_text(), re.MULTILINE).group(1).split()
            done = subprocess.run([os.environ["DECLOUD"], *words, "--help"], capture_output=True, text=True)
            expect_equal(done.returncode, 0, f"{unit.name}: {done.stderr}")

    def test_the_gateways_settings_are_read(self):
        home = self.folder / "example"
        (home / "config").mkdir(parents=True)
        shutil.copy(DEPLOY / "gateway" / "config.toml", home / "config")
        done = subprocess.run([os.environ["DECLOUD"], "--home", home, "gateway", "run"], capture_output=True, text=True,
                              timeout=30)
        # The first thing that is not there on this machine.
        expect("/etc/letsencrypt/live/gateway.example/fullchain.pem" in done.stderr, done.stderr)

    def test_prometheus_takes_the_rules(self):
        for words in (["check", "rules", DEPLOY / "prometheus" / "alerts.yml"],
                      ["check", "config", DEPLOY / "prometheus" / "prometheus.yml"]):
            done = subprocess.run([self.programs / "promtool", *words], capture_output=True, text=True)
            expect_equal(done.returncode, 0, done.stdout + done.stderr)

    def test_the_metrics_keep_prometheus_rules(self):
        for name in self.consoles:
            done = subprocess.run([self.programs / "promtool", "check", "metrics"], input=self.metrics(name),
                                  capture_output=True, text=True)
            expect_equal((done.returncode, done.stderr), (0, ""), name)

    def test_every_query_has_an_answer(self):
        up = 'count(up{job=~"decloud-.*"} == 1)'
        wait_for("both to be scraped", lambda: self.prometheus.value(up) == 2, 60)
        for name, query in queries():
            # An alert that is silent still has to name metrics that are there.
            for metric in set(re.findall(r"\b(?:decloud|process)_\w+", query)):
                expect(self.prometheus.ask(metric), f"{name}: no {metric}")
            if not name.startswith("Decloud"):
                # A rate needs two scrapes.
                wait_for(f"{name}: {query}", lambda: self.prometheus.ask(query), 60)

    def test_silent_alerts_can_speak(self):
        rules = json.loads(fetch(f"http://127.0.0.1:{self.prometheus.port}/api/v1/rules"))["data"]["groups"][0]["rules"]
        expect_equal(sorted(rule["name"] for rule in rules), sorted(n for n, _ in queries() if n.startswith("Decloud")))
        self.gateway.__exit__(None, None, None)
        wait_for("DecloudDown to be pending", lambda: self.prometheus.ask(
            'ALERTS{alertname="DecloudDown", job="decloud-gateway"}'), 60)

    def page(self):
        head = PAGE.read_text().split("## ")[0]
        return head + table("Provider", self.metrics("provider")) + "\n" + table("Gateway", self.metrics("gateway"))

    def test_the_page_lists_what_is_there(self):
        # `DECLOUD_WRITE_METRICS=1 tests/interop/run prometheus` writes it.
        made = self.page()
        if os.environ.get("DECLOUD_WRITE_METRICS"):
            PAGE.write_text(made)
        expect_equal(PAGE.read_text(), made, "docs/metrics.md")


def main(programs):
    tests = Tests(programs)
    passed = True
    order = sorted((name for name in dir(tests) if name.startswith("test_")), key=lambda name: "silent" in name)
    try:
        for name in order:
            try:
                getattr(tests, name)()
                print(f"ok {name.removeprefix('test_')}", flush=True)
            except (Failure, OSError, ValueError, KeyError, subprocess.SubprocessError):
                passed = False
                print(f"not ok {name.removeprefix('test_')}", flush=True)
                print("".join(f"  {line}\n" for line in traceback.format_exc().splitlines()), flush=True)
    finally:
        tests.prometheus.stop()
        tests.cloud.__exit__(None, None, None)
    return 0 if passed else 1


if __name__ == "__main__":
    os.environ.setdefault("DECLOUD", str(pathlib.Path(os.environ["DECLOUD_BUILD"]) / "decloud"))
    sys.exit(main(sys.argv[1]))
