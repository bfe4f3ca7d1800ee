"""A hostile tenant's programs in every runtime, a neighbour who goes on meanwhile, and what the host must not keep."""

import contextlib
import io
import os
import pathlib
import struct
import subprocess
import tarfile
import threading
import zipfile

import http1
from ethereum import development_account
from harness import PRICE, USDC, Failure, descendants, expect, expect_equal, probe, processes, wait_for
from oci_test import oci_image

HERE = pathlib.Path(__file__).parent / "programs"
TENANT, NEIGHBOUR = development_account(5), development_account(6)
SPARES = 4
LIMITS = {"wallMilliseconds": 15_000, "memoryBytes": 64 << 20, "processes": 20, "requestBytes": 8 << 20,
          "responseBytes": 1 << 20, "tmpBytes": 96 << 20}
NATIVE = ("native", "image", "server")
# Of `leave` in processes.c.
SYSV_KEY = str(0x4465636c)
# In the node's environment. No program may ever read it.
CANARY = "canary-" + os.urandom(16).hex()
os.environ["HOSTILE_CANARY"] = CANARY


def compiled(folder, name, *flags):
    target = folder / name
    subprocess.run(["clang-19", "-O1", *flags, "-o", str(target)], check=True)
    return target.read_bytes()


def programs(folder):
    """The hostile program, the one that would be root's, and the one in WASM."""
    sources = [str(HERE / name) for name in ("main.c", "headers.c", "resources.c", "processes.c", "host.c")]
    return (compiled(folder, "hostile", "-static", "-pthread", *sources),
            compiled(folder, "setuid", "-static", str(HERE / "setuid.c")),
            compiled(folder, "hostile.wasm", "--target=wasm32-wasi", "-fuse-ld=lld", str(HERE / "wasm.c"),
                     str(HERE / "headers.c")))


def zip_with_bits(files):
    """A package: {path: (mode, bytes)}; of a link the bytes are its target."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, (mode, data) in files.items():
            entry = zipfile.ZipInfo(path)
            entry.external_attr = mode << 16
            archive.writestr(entry, data, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def overlapping(name, data, size):
    """A package with eleven files, ten of which are the same bytes in the same place."""
    package = zip_with_bits({name: (0o100755, data), "0": (0o100644, bytes(size))})
    end, last = package.rfind(b"PK\x05\x06"), package.rfind(b"PK\x01\x02")
    first = struct.unpack_from("<I", package, end + 16)[0]
    records = bytearray(package[first:end])
    for number in range(1, 10):
        record = bytearray(package[last:end])
        record[46:47] = b"%d" % number
        records += record
    tail = bytearray(package[end:])
    struct.pack_into("<HHI", tail, 8, 11, 11, len(records))
    return package[:first] + bytes(records + tail)


def layer_with_bits(entries):
    """A layer: (name, type, mode, content or target)."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, kind, mode, content in entries:
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = kind, mode
            if kind in (tarfile.SYMTYPE, tarfile.LNKTYPE):
                entry.linkname = content
                archive.addfile(entry)
            else:
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))
    return out.getvalue()


class Tenant:
    """The hostile owner's deployments in a cloud, who pays for their calls, and the neighbour."""

    def __init__(self, cloud, folder):
        self.cloud = cloud
        for each in (TENANT, NEIGHBOUR):
            cloud.fund(each, 500 * USDC)
        self.native, self.setuid, self.wasm = programs(folder)
        self.neighbours = [
            cloud.upload(NEIGHBOUR, {"probe": probe(kind).read_bytes()}, runtime=kind, entry="probe",
                         limits={"wallMilliseconds": 15_000}, ownerPays={"callers": "any", "perDay": 100_000})
            for kind in ("wasm", "native")]
        self.neighbour_calls = 0
        self.cids = {}
        # The short ones only for what does not end by itself.
        for name, limits in (("", {}), ("short ", {"wallMilliseconds": 700}), ("small ", {"tmpBytes": 1 << 20})):
            self.deploy_all(name, LIMITS | limits)

    def deploy_all(self, name, limits):
        package = zip_with_bits({"hostile": (0o106755, self.native), "setuid": (0o106755, self.setuid)})
        layer = layer_with_bits([("hostile", tarfile.REGTYPE, 0o6755, self.native),
                                 ("setuid", tarfile.REGTYPE, 0o6755, self.setuid)])
        image = zip_with_bits({"image.tar": (0o100644, oci_image({"Cmd": ["/hostile"]}, [layer]))})
        serving = {"server": {"concurrency": 1, "idleMilliseconds": 1000}}
        self.cids |= {name + "native": self.upload("native", "hostile", package, limits),
                      name + "image": self.upload("oci", "image.tar", image, limits),
                      name + "server": self.upload("server", "hostile", package, limits, **serving),
                      name + "wasm": self.upload("wasm", "hostile.wasm",
                                                 zip_with_bits({"hostile.wasm": (0o100644, self.wasm)}), limits)}

    def upload(self, runtime, entry, package, limits=LIMITS, **manifest):
        manifest |= {"name": "hostile", "runtime": runtime, "entry": entry, "limits": limits, "output": "auto"}
        return self.cloud.upload(TENANT, package=package, manifest=manifest,
                                 ownerPays={"callers": "any", "perDay": 10_000_000})

    def call(self, kind, check, token="none", **options):
        return http1.request(self.cloud.node(self.cids.get(kind, kind), f"?{check}&{token}"), **options)

    def neighbour_is_well(self):
        cid = self.neighbours[self.neighbour_calls % 2]
        answer = http1.request(self.cloud.node(cid, "?echo=1"), body=b"well")
        self.neighbour_calls += 1
        expect_equal((answer.status, answer.body), (200, b"well"), "the neighbour's call")

    def watched(self, action, cost=PRICE):
        """Does it while the neighbour calls. Exactly so much is charged to its owner (None: the caller looks), and
        nothing to others."""
        results, problems = [], []

        def run():
            try:
                results.append(action())
            except BaseException as problem:  # noqa: BLE001
                problems.append(problem)

        before, calls = self.cloud.spent(NEIGHBOUR.address), self.neighbour_calls
        try:
            with contextlib.nullcontext() if cost is None else self.cloud.costs(cost, TENANT.address):
                thread = threading.Thread(target=run)
                thread.start()
                while True:
                    self.neighbour_is_well()
                    thread.join(0.02)
                    if not thread.is_alive():
                        break
        except Failure as failure:
            raise Failure(f"{failure}; {problems or [(each.status, each.text[:500]) for each in results]}") from None
        if problems:
            raise problems[0]
        wait_for("the neighbour's holds to end", 
                 lambda: int(self.cloud.ledger(NEIGHBOUR.address)["held"]) == 0, 10)
        paid = self.cloud.spent(NEIGHBOUR.address) - before
        expect_equal(paid, (self.neighbour_calls - calls) * PRICE, "the neighbour paid")
        return results[0]

    def tried(self, kind, check, status=200, cost=PRICE, token="none", **options):
        """One hostile call that ends as it has to; its answer."""
        answer = self.watched(lambda: self.call(kind, check, token, **options), cost)
        expect_equal(answer.status, status, f"{kind} {check}: {answer.text[:500]}")
        expect(CANARY not in answer.text, f"{kind} {check} shows the canary")
        return answer

    def refused(self, kind, check, allowed=(), token="none"):
        """A check whose attempts all fail; what it said."""
        text = self.tried(kind, check, token=token).text
        wrong = [line for line in text.splitlines() if line.endswith("ALLOWED") and line[:-8] not in allowed]
        expect(not wrong, f"{kind} {check}: {wrong}")
        expect(text.endswith("over\n"), f"{kind} {check} is not over: {text[-500:]}")
        return text


def number(text, word):
    """What stands behind a word in a program's answer."""
    return int(next(line.split()[1] for line in text.splitlines() if line.startswith(word + " ")))


class Host:
    """What a machine has of the sandboxes of a cloud."""

    def __init__(self, cloud):
        self.cloud = cloud

    @property
    def launcher(self):
        return self.cloud.child("worker", "launch")

    def children(self, pid):
        return [child for child, (parent, _) in processes().items() if parent == pid]

    def groups(self):
        """Folders of the launcher's control groups, those of sandboxes."""
        found = set()
        for mount in self.cgroup_mounts():
            for base, folders, _ in os.walk(mount):
                if f"decloud.{self.launcher}" in folders:
                    found |= set((pathlib.Path(base) / f"decloud.{self.launcher}").glob("*/cgroup.procs"))
                # Others' sandboxes come and go meanwhile.
                folders[:] = [each for each in folders if not each.startswith("decloud.")]
        return sorted(found)

    def cgroup_mounts(self):
        lines = [line.split(" - ") for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines()]
        return [fields.split()[4] for fields, kind in lines if kind.startswith("cgroup")]

    def busy_groups(self):
        found = []
        for each in self.groups():
            with contextlib.suppress(OSError):
                if each.read_text():
                    found.append(each)
        return found

    def mounts(self):
        """Those below the cloud's home."""
        lines = pathlib.Path("/proc/self/mountinfo").read_text().splitlines()
        return sum(line.split()[4].startswith(f"{self.cloud.home}/") for line in lines)

    def namespaces(self):
        found = set()
        for pid in [self.cloud.process.pid, *descendants(self.cloud.process.pid)]:
            try:
                found |= {os.readlink(link) for link in pathlib.Path(f"/proc/{pid}/ns").iterdir()}
            except OSError:
                continue  # it has ended
        return found

    def descriptors(self, pid):
        return len(os.listdir(f"/proc/{pid}/fd"))

    def memory(self):
        """Resident bytes of the node, the launcher and the WASM workers."""
        found = {}
        for pid in (self.cloud.part("node"), *self.children(self.cloud.part("node"))):
            with contextlib.suppress(OSError):
                pages = int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1])
                found[pid] = pages * os.sysconf("SC_PAGE_SIZE")
        return found

    def is_quiet(self):
        """Only spares are left: two processes each, in a group of their own."""
        spares = self.children(self.launcher)
        return len(spares) == SPARES and all(len(self.children(each)) == 1 for each in spares) and \
            len({each.parent.name for each in self.busy_groups()}) == SPARES

    def state(self):
        launcher = self.launcher
        return {"mounts": self.mounts(),
                "launcher's mounts": len(pathlib.Path(f"/proc/{launcher}/mountinfo").read_text().splitlines()),
                "launcher's descriptors": self.descriptors(launcher)}

    def is_as(self, before, namespaces):
        return self.is_quiet() and self.state() == before and len(self.namespaces()) <= namespaces

    def traces(self, token):
        """Of a word that only hostile programs used: processes, files, sockets, keys."""
        found = []
        for entry in pathlib.Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    if token[:15] in (entry / "comm").read_text():
                        found.append(f"process {entry.name}")
                except OSError:
                    continue
        for place in ("/tmp", "/dev/shm", "/var/tmp", "/dev/mqueue"):
            if os.path.isdir(place):
                found += [f"{place}/{name}" for name in os.listdir(place) if token in name]
        for base, folders, names in os.walk(self.cloud.home):
            found += [f"{base}/{name}" for name in [*folders, *names] if token in name]
        for name, word in (("/proc/net/unix", token), ("/proc/keys", token), ("/proc/sysvipc/shm", SYSV_KEY),
                           ("/proc/sysvipc/msg", SYSV_KEY), ("/proc/sysvipc/sem", SYSV_KEY)):
            if os.path.exists(name) and word in pathlib.Path(name).read_text():
                found.append(name)
        return found

