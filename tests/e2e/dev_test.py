"""`decloud dev`: a function on this machine, in the provider's sandbox, built again when it changes."""

import json
import signal
import subprocess
import threading

import http1
from harness import PROGRAM, Failure, clean_environment, expect, expect_equal, run_program, wait_for

SOURCE = r"""
#include <stdio.h>
#include <stdlib.h>
int main(void) {
    fprintf(stderr, "said by %s\n", WORD);
    puts(WORD);
    return getenv("QUERY_STRING")[0] == 'x' ? 3 : 0;
}
"""


def write(project, word):
    (project / "main.c").write_text(f'#define WORD "{word}"\n' + SOURCE)


def made(folder, kind="c"):
    environment = clean_environment(DECLOUD_HOME=str(folder / "home"))
    done = run_program("init", "tried", "--template", kind, cwd=folder, environment=environment)
    expect(done.code == 0, str(done))
    return folder / "tried"


class Dev:
    """`decloud dev` of a folder; what it says on standard error is kept."""

    def __init__(self, folder, project):
        self.process = subprocess.Popen(
            [PROGRAM, "dev", str(project), "--port", "0", "--json"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, env=clean_environment(DECLOUD_HOME=str(folder / "home")))
        self.said = ""
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.process.stderr:
            self.said += line.decode(errors="replace")

    def __enter__(self):
        line = self.process.stdout.readline()
        if not line:
            raise Failure(f"decloud dev ended: {self.said}")
        self.url = json.loads(line)["url"]
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGINT)
        self.process.wait(60)
        self.reader.join()
        self.process.stdout.close()
        self.process.stderr.close()

    def until(self, text, times=1):
        wait_for(f"{text!r} on standard error", lambda: self.said.count(text) >= times, 60)

    def get(self, rest="/"):
        return http1.request(self.url + rest)


def test_it_follows_the_sources(folder):
    project = made(folder)
    write(project, "first")
    with Dev(folder, project) as dev:
        dev.until("tried is ready")
        expect_equal((dev.get().status, dev.get().text), (200, "first\n"))
        dev.until("said by first")
        write(project, "second")
        wait_for("the new program", lambda: dev.get().text == "second\n", 60)
        (project / "main.c").write_text("int main(void) { retrun 0; }\n")
        dev.until("retrun")
        dev.until("still answers")
        expect_equal(dev.get().text, "second\n", "after a bad build")
        write(project, "third")
        wait_for("the mended program", lambda: dev.get().text == "third\n", 60)
        failed = dev.get("/?x")
        expect(failed.status == 200 or failed.status == 502, failed.text)
        dev.until("exit code 3")
    expect_equal(dev.process.returncode, 0, dev.said)


def test_a_project_that_does_not_build_at_first(folder):
    project = made(folder)
    (project / "main.c").write_text("int main(void) { retrun 0; }\n")
    with Dev(folder, project) as dev:
        dev.until("still answers")
        expect_equal(dev.get().status, 503)
        write(project, "mended")
        wait_for("the mended program", lambda: dev.get().text == "mended\n", 60)


def test_new_files_and_settings_count(folder):
    project = made(folder)
    (project / "main.c").write_text('#include "deep/word.h"\n' + SOURCE)
    with Dev(folder, project) as dev:
        dev.until("still answers")
        (project / "deep").mkdir()
        (project / "deep" / "word.h").write_text('#define WORD getenv("COLOUR")\n#include <stdlib.h>\n')
        with open(project / "decloud.toml", "a") as toml:
            toml.write('\n[environment]\nCOLOUR = "blue"\n')
        wait_for("the new program", lambda: dev.get().text == "blue\n", 60)
        text = (project / "decloud.toml").read_text()
        (project / "decloud.toml").write_text(text.replace('"blue"', '"green"'))
        wait_for("the new setting", lambda: dev.get().text == "green\n", 60)


def test_run_ends_with_its_command(folder):
    project = made(folder)
    environment = clean_environment(DECLOUD_HOME=str(folder / "home"))
    good = run_program("dev", project, "--port", "0", "--run", 'curl -fsS "$DECLOUD_URL/?you"', environment=environment)
    expect_equal((good.code, good.out), (0, "hello from you\n"), str(good))
    bad = run_program("dev", project, "--port", "0", "--run", "exit 7", environment=environment)
    expect(bad.code != 0 and "status 7" in bad.err, str(bad))
    (project / "main.c").write_text("int main(void) { retrun 0; }\n")
    broken = run_program("dev", project, "--port", "0", "--run", "echo never", environment=environment)
    expect(broken.code != 0 and "retrun" in broken.err and "never" not in broken.out, str(broken))
