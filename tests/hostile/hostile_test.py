"""The hostile checks: each attempt fails in every runtime; the caller is told, the owner pays, others go on."""

import os
import pathlib
import tarfile

import http1
from content import varint
from harness import PRICE, Failure, descendants, expect, expect_equal, in_threads, processes, wait_for
from hostile import CANARY, LIMITS, NATIVE, TENANT, Host, Tenant, layer_with_bits, number, overlapping, zip_with_bits
from oci_test import oci_image

# Only this run's programs leave it, so that it can be told from what others left.
TOKEN = "left" + os.urandom(5).hex()
LEAK_CALLS = int(os.environ.get("DECLOUD_LEAK_CALLS", "400"))
LINK, FILE = 0o120777, 0o100755


def tenant_of(cloud, folder):
    if not hasattr(cloud, "tenant"):
        cloud.tenant = Tenant(cloud, folder)
        cloud.first = {kind: cloud.tenant.tried(kind, "look").text for kind in (*NATIVE, "wasm")}
        cloud.host = Host(cloud)
        wait_for("only spares to be there", cloud.host.is_quiet, 60)
        cloud.before, cloud.namespaces = cloud.host.state(), len(cloud.host.namespaces())
    return cloud.tenant


def everywhere(cloud, folder, *checks, **options):
    tenant = tenant_of(cloud, folder)
    for kind in NATIVE:
        for check in checks:
            tenant.refused(kind, check, **options)


def crashed(cloud, folder, check, kinds=NATIVE, prefix="", status=502, word=""):
    for kind in kinds:
        answer = tenant_of(cloud, folder).tried(prefix + kind, check, status)
        expect(word in answer.text, f"{kind}: {answer.text}")


def test_01_a_fork_bomb_ends_at_the_limit(cloud, folder):
    tenant = tenant_of(cloud, folder)
    for kind in NATIVE:
        expect_equal(number(tenant.tried(kind, "fork_bomb").text, "processes"), 19, kind)
    for kind in ("native", "image"):
        expect_equal(number(tenant.tried(kind, "thread_bomb").text, "threads"), 19, kind)


def test_02_memory_ends_at_the_limit_in_whatever_form(cloud, folder):
    for check in ("eat_memory", "eat_memfd", "eat_tmpfs"):
        crashed(cloud, folder, check, word="memory")
    # Nobody after them has less of it for what they left to the kernel.
    for _ in range(8):
        tenant_of(cloud, folder).tried("native", "fork_bomb")


def test_03_the_disk_and_open_files_end_at_the_limit(cloud, folder):
    tenant = tenant_of(cloud, folder)
    for kind in ("native", "image"):
        expect_equal(number(tenant.tried(kind, "fill_inodes").text, "inodes"), 4095, kind)
        expect(number(tenant.tried(kind, "open_files").text, "files") < 64, kind)
        expect(number(tenant.tried("small " + kind, "fill_tmp").text, "bytes") <= 1 << 20, kind)


def test_04_floods_of_output_end_at_the_limit(cloud, folder):
    tenant = tenant_of(cloud, folder)
    for kind in (*NATIVE, "wasm"):
        answer = tenant.watched(lambda kind=kind: tenant.call(kind, "flood"))
        expect(answer.status == 502 or not answer.complete, f"{kind}: {answer.status}, complete {answer.complete}")
        expect(len(answer.body) <= LIMITS["responseBytes"], f"{kind}: {len(answer.body)} bytes")
        tenant.tried(kind, "flood_errors")


def test_05_no_header_is_smuggled(cloud, folder):
    tenant = tenant_of(cloud, folder)
    for kind in ("native", "image", "wasm"):
        for check in ("many_headers", "long_header", "nul_header", "split_header"):
            answer = tenant.watched(lambda kind=kind, check=check: tenant.call(kind, check))
            expect(answer.status in (200, 502), f"{kind} {check}: {answer.status}")
            expect(answer.header("X-Smuggled") is None and answer.header("OpenCloud-Status") != "smuggled",
                   f"{kind} {check}: {answer.headers}")
            expect(len(answer.headers) < 100, f"{kind} {check}: {len(answer.headers)} headers")
            expect(all("\0" not in name + value for name, value in answer.headers), answer.headers)


def stalled(url, body):
    """A body of which a part never comes; the answer."""
    with http1.Connection(http1.address_of(url)) as connection:
        connection.send(http1.request_bytes("POST", http1.target_of(url), "localhost",
                                            [("Content-Length", str(len(body) + 1))], body, length=False))
        return connection.response("POST")


def test_06_bodies_that_are_read_slowly_never_or_never_end(cloud, folder):
    tenant, body = tenant_of(cloud, folder), os.urandom(4_000_000)
    for kind in ("native", "image"):
        expect_equal(number(tenant.tried(kind, "read_all", body=body).text, "bytes"), len(body), kind)
        expect_equal(number(tenant.tried(kind, "read_slowly", body=body).text, "bytes"), 5000, kind)
    for kind in ("native", "image", "wasm"):
        tenant.tried(kind, "look", body=body)
        url = cloud.node(tenant.cids["short " + kind], "?read_all&x")
        answer = tenant.watched(lambda url=url: stalled(url, b"x" * 5_000_000))
        expect_equal(answer.status, 504, f"{kind}: {answer.text}")


def test_07_endless_loops_end_at_their_time(cloud, folder):
    crashed(cloud, folder, "spin", prefix="short ", kinds=("native", "image", "wasm"), status=504)
    crashed(cloud, folder, "hang", prefix="short ", kinds=("native", "image", "wasm"), status=504)
    # The head of a server's answer is there already, and then it says no more.
    for check in ("spin", "hang"):
        answer = tenant_of(cloud, folder).watched(lambda check=check: cloud.tenant.call("short server", check))
        expect(answer.status == 504 or not answer.complete, f"{answer.status} {answer.text}")


def test_08_nothing_survives_in_a_session_of_its_own(cloud, folder):
    tenant = tenant_of(cloud, folder)
    for kind in ("native", "image"):
        expect("left 1 behind" in tenant.tried(kind, "survive", token=TOKEN).text, kind)
        expect_equal(cloud.host.traces(TOKEN), [], kind)
    tenant.tried("server", "survive", token=TOKEN)
    wait_for("what the server left to be gone", lambda: not cloud.host.traces(TOKEN), 60)


def test_09_limits_cannot_be_raised(cloud, folder):
    everywhere(cloud, folder, "raise_limits")
    tenant = tenant_of(cloud, folder)
    for kind in ("native", "image"):
        # What is counted for a user of the host: all sandboxes together stay below what he has.
        expect_equal(number(tenant.tried(kind, "watchers").text, "watchers"), 0, kind)
        expect(number(tenant.tried(kind, "timers").text, "timers") <= 256, kind)


def test_10_signals_reach_nobody_outside(cloud, folder):
    node, launcher = cloud.part("node"), cloud.host.launcher
    everywhere(cloud, folder, "signal_everybody")
    expect_equal((cloud.part("node"), cloud.host.launcher), (node, launcher), "who has been there before")


def test_11_no_other_process_is_read_or_debugged(cloud, folder):
    everywhere(cloud, folder, "debug")


def test_12_and_13_the_hosts_files_and_groups_cannot_be_seen(cloud, folder):
    everywhere(cloud, folder, "read_host")
    tenant = tenant_of(cloud, folder)
    (cloud.home / "state" / "canary").write_text(CANARY)
    environment = pathlib.Path(f"/proc/{cloud.part('node')}/environ").read_bytes()
    expect(CANARY.encode() in environment, "the node has the canary in its environment")
    for kind in NATIVE:
        tenant.refused(kind, "scan", token=CANARY[::-1])
    for kind in NATIVE:
        text = tenant.tried(kind, "look").text
        shown = {line.split()[0]: set(line.split()[1:]) for line in text.splitlines() if line.startswith("/")}
        more = {"data"} if kind != "image" else set()
        expect(shown["/"] <= {"proc", "dev", "tmp", "hostile", "setuid"} | more, shown)
        expect_equal(shown["/proc"], {"self", "thread-self", "1", "2"}, kind)
        groups = [line.split(":")[-1] for line in text.splitlines() if line.startswith("group ")]
        expect_equal(set(groups), {"/"}, kind)


def test_14_and_15_no_mounts_and_no_namespaces(cloud, folder):
    everywhere(cloud, folder, "mounts", "namespaces")


def test_16_only_harmless_devices(cloud, folder):
    everywhere(cloud, folder, "devices")
    for kind in NATIVE:
        text = cloud.tenant.call(kind, "look").text
        shown = next(line for line in text.splitlines() if line.startswith("/dev "))
        expect_equal(set(shown.split()[1:]), {"shm", "stderr", "stdout", "stdin", "fd", "urandom", "random", "full",
                                              "zero", "null"}, kind)


def test_17_and_18_no_network(cloud, folder):
    everywhere(cloud, folder, "sockets")
    everywhere(cloud, folder, "network", token=f"port-{http1.address_of(cloud.node_url)[1]}")


def test_19_and_21_tenants_and_runs_share_nothing(cloud, folder):
    tenant = tenant_of(cloud, folder)
    own = ("tmp", "shm", "abstract", "abstract listen")
    # The server that left it goes on while others look for it.
    for kind in ("native", "image", "server"):
        tenant.refused(kind, "leave", own, TOKEN)
        for other in ("native", "image", "small server"):
            tenant.refused(other, "find", token=TOKEN)
    for _ in range(2):
        expect("run 1\n" in tenant.tried("wasm", "look").text, "a fresh instance")
    wait_for("what was left to be gone", lambda: not cloud.host.traces(TOKEN), 60)


def test_20_nothing_is_inherited(cloud, folder):
    tenant_of(cloud, folder)
    for kind, text in cloud.first.items():
        found = [line.split()[1] for line in text.splitlines() if line.startswith("descriptor ")]
        expect_equal(found, {"server": ["0", "1", "2", "3", "4"], "wasm": []}.get(kind, ["0", "1", "2"]), kind)
        variables = {line.split()[1].split("=")[0] for line in text.splitlines() if line.startswith("variable ")}
        known = ("GATEWAY_", "SERVER_", "REQUEST_", "SCRIPT_", "PATH", "QUERY_", "REMOTE_", "CONTENT_", "HTTP_",
                 "DECLOUD_CID", "DECLOUD_DEADLINE_MS", "LISTEN_")
        expect(all(each.startswith(known) for each in variables), f"{kind}: {variables}")


def test_22_to_24_the_kernels_other_doors_are_shut(cloud, folder):
    everywhere(cloud, folder, "kernel", token=TOKEN)


def test_25_nobody_gains_rights(cloud, folder):
    everywhere(cloud, folder, "privileges")
    crashed(cloud, folder, "foreign", kinds=("native", "image"), word="foreign")
    crashed(cloud, folder, "foreign_x32", kinds=("native", "image"), word="foreign")
    for kind in NATIVE:
        text = cloud.tenant.call(kind, "look").text
        for line in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            expect(f"status {line}:\t0000000000000000\n" in text, f"{kind} {line}")
        expect("NoNewPrivs:\t1\n" in text and "Seccomp:\t2\n" in text, kind)


def test_28_crashes_leave_no_core_and_logs_cannot_be_forged(cloud, folder):
    crashed(cloud, folder, "dump_core", kinds=("native", "image"))
    for kind in NATIVE:
        cloud.tenant.tried(kind, "write_log", token=TOKEN)
    logs = [each for each in (cloud.home / "state" / "logs").iterdir() if each.is_file()]
    expect(logs, "no logs")
    for each in logs:
        text = each.read_bytes()
        expect(b"\x1b" not in text and b"forged" not in text, f"a program's words in {each}")
    cores = [path for path in cloud.home.rglob("core*") if path.is_file() and path.read_bytes()[:4] == b"\x7fELF"]
    expect_equal(cores, [], "cores")


def test_29_wasm_stays_in_its_limits(cloud, folder):
    tenant = tenant_of(cloud, folder)
    expect(number(tenant.tried("wasm", "grow").text, "pages") <= LIMITS["memoryBytes"] >> 16, "pages")
    tenant.tried("wasm", "eat_memory", 502)
    expect("stack" in tenant.tried("wasm", "recurse", 502).text, "deep recursion")
    text = tenant.refused("wasm", "files")
    expect(text.count("refused") == 13, text)


def of_sections(body):
    """A WebAssembly module: its sections' bytes by number."""
    return b"\0asm\x01\0\0\0" + b"".join(bytes([kind]) + varint(len(data)) + data for kind, data in body)


def module(code, tables=b""):
    """A WASI command of this code; a table can be had with it."""
    function = b"\0" + code + b"\x0b"
    exports = b"\x02\x06_start\0\0\x06memory\x02\0"
    return of_sections([(1, b"\x01\x60\0\0"), (3, b"\x01\0"), *([(4, tables)] if tables else []), (5, b"\x01\0\x01"),
                        (7, exports), (10, b"\x01" + varint(len(function)) + function)])


# loop: ref.null func, i32.const 100000, table.grow 0, i32.const -1, i32.ne, br_if 0
TABLE_BOMB = module(b"\x03\x40\xd0\x70\x41\xa0\x8d\x06\xfc\x0f\0\x41\x7f\x47\x0d\0\x0b", b"\x01\x70\0\x01")
HUGE_TABLE = module(b"", b"\x01\x70\0" + varint(1 << 30))
NESTED = module(b"\x02\x40" * 200_000 + b"\x0b" * 200_000)
MANY_LOCALS = module(b"")[:-3] + b"\x07\x01\xff\xff\xff\xff\x0f\x7f\x0b"


def test_29_bombs_in_wasm_harm_nobody(cloud, folder):
    tenant = tenant_of(cloud, folder)
    # What can be compiled is paid for, whatever becomes of it; what cannot is not.
    for name, program, statuses, costs in (
            ("table", TABLE_BOMB, (200,), (PRICE,)), ("huge", HUGE_TABLE, (502,), (PRICE,)),
            ("nested", NESTED, (200, 502), (0, PRICE)), ("locals", MANY_LOCALS, (502,), (0,))):
        cid = tenant.upload("wasm", "a.wasm", zip_with_bits({"a.wasm": (0o100644, program)}))
        before = cloud.spent(TENANT.address)
        answer = tenant.watched(lambda cid=cid: tenant.call(cid, "x"), None)
        expect(answer.status in statuses, f"{name}: {answer.status} {answer.text[:300]}")
        wait_for("the hold to end", lambda: int(cloud.ledger(TENANT.address)["held"]) == 0, 10)
        expect(cloud.spent(TENANT.address) - before in costs, f"{name}: {cloud.spent(TENANT.address) - before}")


# A package that is refused costs nothing: no run of it has begun.
def refused_package(cloud, folder, name, runtime, entry, package, word=""):
    tenant = tenant_of(cloud, folder)
    cid = tenant.upload(runtime, entry, package)
    answer = tenant.watched(lambda: tenant.call(cid, "look"), 0)
    expect_equal(answer.status, 502, f"{name}: {answer.text[:300]}")
    expect("cannot run" in answer.text and word in answer.text, f"{name}: {answer.text[:300]}")


def test_26_hostile_packages_are_refused(cloud, folder):
    native = tenant_of(cloud, folder).native
    for name, files in {"climb": {f"../{TOKEN}": (FILE, b"x")}, "deep climb": {f"a/../../{TOKEN}": (FILE, b"x")},
                        "absolute": {f"/tmp/{TOKEN}": (FILE, b"x")},
                        "link then write": {"a": (LINK, b"/tmp"), f"a/{TOKEN}": (FILE, b"x")},
                        "device": {"disk": (0o060666, b"")},
                        "backslash": {f"..\\..\\{TOKEN}": (FILE, b"x")}, "no name": {"": (FILE, b"x")},
                        }.items():
        refused_package(cloud, folder, name, "native", "hostile", zip_with_bits({"hostile": (FILE, native)} | files))
    # Of what is in the same place no more than one is unpacked. Bombs are in the unit tests, with smaller limits.
    cid = cloud.tenant.upload("native", "hostile", overlapping("hostile", native, 10 << 20))
    root = next(line for line in cloud.tenant.tried(cid, "look").text.splitlines() if line.startswith("/ "))
    expect(len(set(root.split()) & set("0123456789")) <= 1, root)


def test_26_hostile_layers_are_refused(cloud, folder):
    program = ("hostile", tarfile.REGTYPE, 0o755, tenant_of(cloud, folder).native)
    plain, link, hard = tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE
    for name, entries in {"climb": [(f"../{TOKEN}", plain, 0o644, b"x")],
                          "hard link out": [("a", hard, 0o644, "../../../etc/passwd")],
                          "hard link by a link": [("d", link, 0o777, "/etc"), ("a", hard, 0o644, "d/passwd")],
                          "device": [("disk", tarfile.BLKTYPE, 0o666, b"")]}.items():
        image = oci_image({"Cmd": ["/hostile"]}, [layer_with_bits([program, *entries])])
        refused_package(cloud, folder, name, "oci", "image.tar", zip_with_bits({"image.tar": (0o100644, image)}))
    expect_equal(cloud.host.traces(TOKEN), [], "what a package wrote outside")


def test_27_links_in_place_of_folders_lead_nowhere(cloud, folder):
    """An image's own /dev, /proc and /tmp are covered; what follows its links stays in the image."""
    tenant = tenant_of(cloud, folder)
    program = ("hostile", tarfile.REGTYPE, 0o755, tenant.native)
    for name in ("dev", "proc", "tmp"):
        for target in ("/etc", "..", "/"):
            layer = layer_with_bits([program, (name, tarfile.SYMTYPE, 0o777, target)])
            image = oci_image({"Cmd": ["/hostile"]}, [layer])
            cid = tenant.upload("oci", "image.tar", zip_with_bits({"image.tar": (0o100644, image)}))
            tenant.refused(cid, "read_host")
            tenant.refused(cid, "devices")
    wait_for("what was left to be gone", lambda: not cloud.host.traces(TOKEN), 60)


def some_calls(cloud, count):
    def call(number):
        kind = (*NATIVE, "wasm")[number % 4]
        answer = cloud.tenant.call(kind, "raise_limits" if kind != "wasm" else "look")
        expect_equal(answer.status, 200, f"{kind}: {answer.text[:300]}")

    in_threads(4, lambda thread: [call(thread + each) for each in range(0, count, 4)])


def test_many_calls_leak_nothing(cloud, folder):
    """`DECLOUD_LEAK_CALLS` of them, over all runtimes."""
    tenant_of(cloud, folder)
    host, node = cloud.host, cloud.part("node")
    some_calls(cloud, 200)
    wait_for("the host to be as before", lambda: host.is_as(cloud.before, cloud.namespaces), 60)
    descriptors, memory = host.descriptors(node), host.memory()
    some_calls(cloud, LEAK_CALLS)
    wait_for("the host to be as before", lambda: host.is_as(cloud.before, cloud.namespaces), 60)
    wait_for("the node's descriptors to be closed", lambda: host.descriptors(node) <= descriptors, 60)
    grown = {pid: size - memory[pid] for pid, size in host.memory().items() if pid in memory}
    print(f"# after {LEAK_CALLS} calls: {descriptors} descriptors as before, grown by {sorted(grown.values())} bytes")
    # A sanitizer keeps freed memory for a while.
    if "ASAN_OPTIONS" not in os.environ:
        expect(all(size < 64 << 20 for size in grown.values()), f"memory grew by {grown}")


def test_nothing_remains_and_the_neighbour_paid_for_his_own(cloud, folder):
    tenant = tenant_of(cloud, folder)
    host = cloud.host
    try:
        wait_for("the host to be as before", lambda: host.is_as(cloud.before, cloud.namespaces), 60)
    except Failure as failure:
        raise Failure(f"{failure}: {host.state()}, {len(host.namespaces())} namespaces; before: {cloud.before}, "
                      f"{cloud.namespaces}") from None
    expect_equal(cloud.host.traces(TOKEN), [], "traces")
    expect(tenant.neighbour_calls > 0, "the neighbour's calls")
    groups, started = host.groups(), descendants(cloud.process.pid)
    expect_equal(cloud.stop(), 0, "the end of the cloud")

    def left():
        running = processes()
        return [pid for pid, words in started.items() if pid in running and running[pid][1] == words]

    wait_for("all processes to be gone", lambda: not left(), 30)
    expect(not any(each.exists() for each in groups), "control groups are left")
