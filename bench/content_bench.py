"""Content beside Kubo on the same disk: a part of bench/run."""

import contextlib
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import time

import proxies

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests/e2e"))
sys.path.insert(0, str(ROOT / "tests/interop/kubo"))

MIB = int(os.environ.get("BENCH_CONTENT_MIB", "1024"))
FILES = int(os.environ.get("BENCH_CONTENT_FILES", "10000"))


def seconds(action):
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def random_file(path, mebibytes):
    with open(path, "wb") as file:
        for _ in range(mebibytes):
            file.write(os.urandom(1 << 20))
    return path


def small_files(folder, count):
    folder.mkdir()
    for number in range(count):
        inner = folder / f"{number // 100:04}"
        inner.mkdir(exist_ok=True)
        (inner / f"{number:06}").write_bytes(os.urandom(4096))
    return folder


def bound_of_disk(work):
    """dd of as much, synced."""
    return seconds(lambda: subprocess.run(
        ["dd", "if=/dev/urandom" if MIB < 64 else f"if={work / 'large'}", f"of={work / 'dd'}", "bs=1M", f"count={MIB}",
         "conv=fdatasync", "status=none"], check=True))


class Ours:
    name = "decloud"

    def __init__(self, cloud):
        self.cloud = cloud

    def run(self, *words, output=None):
        from harness import PROGRAM, clean_environment
        with open(output, "wb") if output else contextlib.nullcontext(subprocess.PIPE) as target:
            done = subprocess.run([PROGRAM, "--home", self.cloud.home, "content", *map(str, words)], stdout=target,
                                  stderr=subprocess.PIPE, env=clean_environment(), check=False)
        if done.returncode:
            raise RuntimeError(f"content {words}: {done.stderr.decode()}")
        return (done.stdout or b"").decode().strip()

    def add(self, path):
        return self.run("add", path)

    def cat(self, cid):
        self.run("cat", cid, output="/dev/null")

    def export(self, cid, path):
        self.run("export", cid, "-o", path)

    def load(self, path):
        return self.run("import", path)

    def raw_block(self, cid):
        return int(self.cloud.node_url.rsplit(":", 1)[1]), f"/ipfs/{cid}?format=raw"


class Theirs:
    name = "Kubo"

    def __init__(self, kubo):
        self.kubo = kubo

    def add(self, path):
        return self.kubo.text("add", "-r", "-Q", "--progress=false", "--cid-version=1", "--raw-leaves",
                              "--chunker=size-1048576", path, timeout=600)

    def cat(self, cid):
        subprocess.run([self.kubo.program, "cat", cid], env=self.kubo.environment, stdout=subprocess.DEVNULL, check=True)

    def export(self, cid, path):
        with open(path, "wb") as file:
            subprocess.run([self.kubo.program, "dag", "export", "--progress=false", cid], env=self.kubo.environment,
                           stdout=file, check=True)
            os.fsync(file.fileno())

    def load(self, path):
        return self.kubo.text("dag", "import", path, timeout=600)

    def raw_block(self, cid):
        return int(re.search(r":(\d+)", self.kubo.gateway.removeprefix("http://")).group(1)), f"/ipfs/{cid}?format=raw"


def memory(pid):
    """PSS in MiB."""
    return int(re.search(r"(?m)^Pss:\s+(\d+)", pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()).group(1)) / 1024


def node_pid(cloud):
    """Of the node among what `up` started."""
    for pid in proxies.processes_of(cloud.process.pid):
        if b"\0provider\0" in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes():
            return pid
    raise RuntimeError("no node runs")


def rounds_of(work, ours, theirs, measure):
    """Times by task, program and round; each round has content that nobody has seen."""
    times = {}

    def note(task, side, action):
        times.setdefault(task, {}).setdefault(side.name, []).append(seconds(action))

    for number in range(measure.rounds):
        large, small = random_file(work / "large", MIB), small_files(work / "small", FILES)
        times.setdefault("dd", []).append(bound_of_disk(work))
        cids = {}
        for side in (ours, theirs):
            note("add", side, lambda: cids.__setitem__(side.name, side.add(large)))
            note("small", side, lambda: side.add(small))
            note("cat", side, lambda: side.cat(cids[side.name]))
            note("export", side, lambda: side.export(cids[side.name], work / f"{side.name}.car"))
        # What one exported nobody has at the other: a new file each.
        other = random_file(work / "other", MIB)
        for side, back in ((ours, theirs), (theirs, ours)):
            os.truncate(other, (MIB << 20) - 1 - number)
            back.export(back.add(other), work / "foreign.car")
            note("import", side, lambda: side.load(work / "foreign.car"))
        shutil.rmtree(small)
    return times


def compare(measure, times, task, title, goal):
    ours, theirs = times[task]["decloud"], times[task]["Kubo"]
    measure.report(f"content, {title}, times as fast as Kubo", measure.ratio(theirs, ours), goal,
                   said=f"{statistics.median(ours):.2f} and {statistics.median(theirs):.2f} s")


def raw_blocks(measure, sides, work):
    block = random_file(work / "block", 1)
    os.truncate(block, 100_000)
    rates = {}
    targets = [(side, *side.raw_block(side.add(block))) for side in sides]
    for _ in range(measure.rounds):
        for side, port, path in targets:
            rates.setdefault(side.name, []).append(proxies.wrk(port, path, measure.seconds)[0])
    measure.report("content, raw block of 100 kB by the gateway, times as fast as Kubo",
                   measure.ratio(rates["decloud"], rates["Kubo"]), 5,
                   said=" and ".join(f"{statistics.median(rates[side.name]):,.0f}" for side in sides) + " req/s")


def content(work, measure):
    from harness import interop_cloud
    from kubo import Kubo

    subprocess.run([ROOT / "tools/install", "--tests"], check=True)
    program = subprocess.run([ROOT / "tests/interop/kubo/build"], check=True, capture_output=True,
                             text=True).stdout.strip()
    folder = work / "content"
    folder.mkdir()
    with contextlib.ExitStack() as stack:
        cloud = stack.enter_context(interop_cloud())
        kubo = Kubo(program, folder / "kubo")
        stack.callback(kubo.stop)
        kubo.start()
        ours, theirs = Ours(cloud), Theirs(kubo)
        time.sleep(5)
        idle = [sum(memory(pid) for pid in proxies.processes_of(node_pid(cloud))), memory(kubo.process.pid)]
        raw_blocks(measure, (ours, theirs), folder)
        times = rounds_of(folder, ours, theirs, measure)
    for task, title, goal in (("add", f"durable add of {MIB} MiB", 3), ("small", f"add of {FILES:,} files of 4 KiB", 10),
                              ("import", f"CAR import of {MIB} MiB", 3), ("export", f"CAR export of {MIB} MiB", 3),
                              ("cat", f"verified cat of {MIB} MiB, warm", 2)):
        compare(measure, times, task, title, goal)
    measure.report(f"content, durable add of {MIB} MiB / dd conv=fdatasync", measure.ratio(times["dd"], times["add"]["decloud"]),
                   0.8, said=f"{statistics.median(times['dd']):.2f} s for dd")
    measure.report("content, idle memory / Kubo", idle[0] / idle[1], 0.2, at_most=True,
                   said=f"{idle[0]:.0f} and {idle[1]:.0f} MiB, ours with its workers")
