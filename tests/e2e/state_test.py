"""What is on disk: damage is refused by name and never used, backups restore and never charge twice."""

import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import unittest

import http1
from content import Upload
from ethereum import development_account
from harness import (PRICE, USDC, Cloud, Flags, clean_environment, expect, expect_equal, probe, run_program,
                     says_what_to_do, users_of, wait_for)

OWNER = development_account(3)


def files_with(folder, needle):
    return [each for each in pathlib.Path(folder).rglob("*") if each.is_file() and needle in each.read_bytes()]


def flip(path, at):
    data = bytearray(path.read_bytes())
    data[at] ^= 0x40
    path.write_bytes(data)


def test_a_corrupt_block_is_refused_by_name_and_never_used(cloud):
    cid = cloud.upload(cloud.user(), {"program.wasm": probe("wasm").read_bytes()}, environment={"MARK": "block-5f2c"})
    found = files_with(cloud.home / "data" / "node" / "blocks", b"block-5f2c")
    expect(found, "the block is not found on disk")
    for each in found:
        flip(each, each.read_bytes().index(b"block-5f2c"))
    with cloud.costs(0):
        answer = http1.request(cloud.node(cid))
    expect_equal(answer.status, 500, answer.text)
    expect(cid in answer.json["detail"], answer.text)
    expect_equal(http1.request(cloud.node(cloud.cid("hello"))).status, 200, "others")


def test_a_changed_compiled_module_is_not_used(cloud):
    cid = cloud.upload(cloud.user(), {"program.wasm": probe("wasm").read_bytes() + b"\0\x04\x03abc"})
    expect_equal(http1.request(cloud.node(cid, "?bytes=3")).body, b"xxx", "before")
    modules = [each for each in (cloud.home / "data" / "node").rglob("*")
               if each.is_file() and each.read_bytes()[:4] == b"\x7fELF" or "wasm" in each.suffix]
    modules += [each for each in (cloud.home / "data" / "node").rglob("*")
                if each.is_file() and b"\x7fELF" in each.read_bytes()[:256] and each not in modules]
    expect(modules, "no compiled module is cached under data/node")
    for each in modules:
        flip(each, each.stat().st_size // 2)
    cloud.kill_node()
    expect_equal(http1.request(cloud.node(cid, "?bytes=3")).body, b"xxx", "compiled again")


def starts_not(home, *words):
    done = run_program("up", "--once", "--home", home, *Flags().words(), timeout=90)
    expect(done.code not in (0, 64), str(done))
    logs = "".join(each.read_text(errors="replace") for each in (home / "state" / "logs").glob("*"))
    for word in words:
        expect(word in done.err, f"{word} is not named in: {done}\n{logs[-2000:]}")


def killed_after_calls(home):
    """What was spent in a home whose node died with calls in its log that no checkpoint has."""
    with Cloud(home) as cloud:
        for _ in range(20):
            expect_equal(http1.request(cloud.node(cloud.cid("hello"))).status, 200, "a call")
        wait_for("holds to end", lambda: int(cloud.ledger()["held"]) == 0)
        spent, node = cloud.spent(), cloud.part("node")
        os.kill(cloud.process.pid, signal.SIGSTOP)
        os.kill(node, signal.SIGKILL)
        os.kill(cloud.process.pid, signal.SIGKILL)
        cloud.process.wait()
        wait_for("every process to end", lambda: not users_of(home), 30)
    return spent


def log_file(home):
    """The log's newest file and how much of it is used: the rest is zeros."""
    newest = max((home / "data" / "node" / "ledger" / "log").glob("*.log"))
    return newest, len(newest.read_bytes().rstrip(b"\0"))


def test_damage_in_the_ledger_is_refused_by_name(home):
    killed_after_calls(home)
    path, used = log_file(home)
    flip(path, used // 2)
    starts_not(home, path.name)


def test_a_torn_tail_of_the_ledger_is_cut_and_reported(home):
    spent = killed_after_calls(home)
    path, used = log_file(home)
    with open(path, "r+b") as file:
        file.seek(used - 5)
        file.write(bytes(5))
    with Cloud(home) as cloud:
        recovery = cloud.status()["recovery"]
        expect(int(recovery["bytes_cut"]) > 0 and int(recovery["log_records"]) > 0, recovery)
        expect(spent - PRICE <= cloud.spent() - 3 * PRICE <= spent, f"{cloud.spent()} after {spent}")
        cloud.settle()
        wait_for("chain = log", lambda: cloud.on_chain()["claimed"] == cloud.spent())


def test_a_damaged_database_is_refused_by_name(home):
    path = home / "data" / "node" / "records.sqlite"
    path.write_bytes(b"this is no database" * 500)
    for each in ("-wal", "-shm"):
        path.with_name(path.name + each).unlink(missing_ok=True)
    starts_not(home, "records.sqlite")


def test_a_newer_home_is_refused_by_name(home):
    path = home / "data" / "format"
    number = int(path.read_text().split()[0])
    path.write_text(path.read_text().replace(str(number), str(number + 1), 1))
    for words in (["status"], ["ls"], ["escrow", "status"], ["up", "--once", *Flags().words()]):
        done = run_program(*words, "--home", home, timeout=30)
        expect(done.code not in (0, 64), str(done))
        expect("format" in done.err and str(number + 1) in done.err, str(done))


def test_a_copied_home_restores_and_charges_nothing_twice(home, folder):
    backup = folder / "backup"
    with Cloud(home) as cloud:
        cloud.fund(OWNER, USDC)
        cid = cloud.upload(OWNER, {"program.wasm": probe("wasm").read_bytes()}, ownerPays={"callers": "none", "perDay": 9})
        url = cloud.node(cid, "?bytes=1")
        target = http1.target_of(url)
        paid = cloud.authorization(OWNER, "GET", target)
        expect_equal(http1.request(url, headers={"OpenCloud-Payment": paid}).status, 200, "before the backup")
        cloud.settle()
    shutil.copytree(home, backup, symlinks=True)
    with Cloud(home) as cloud:
        for _ in range(4):
            expect_equal(cloud.pay(OWNER, cloud.node(cid, "?bytes=1")).status, 200, "after the backup")
        cloud.settle()
        settled = cloud.spent(OWNER.address)
        expect_equal(settled, 5 * PRICE, "settled")
    shutil.rmtree(backup / "data" / "chain")
    shutil.copytree(home / "data" / "chain", backup / "data" / "chain")
    shutil.rmtree(home)
    backup.rename(home)
    with Cloud(home) as cloud:
        expect_equal(cloud.spent(OWNER.address), settled, "the higher of log and chain")
        with cloud.costs(0, OWNER.address):
            answer = http1.request(cloud.node(cid, "?bytes=1"), headers={"OpenCloud-Payment": paid})
            expect(answer.status in (401, 409), f"{answer.status} {answer.text}")
        with cloud.costs(PRICE, OWNER.address):
            expect_equal(cloud.pay(OWNER, cloud.node(cid, "?bytes=1")).status, 200, "a new call")
        cloud.settle()
        wait_for("chain = log", lambda: cloud.on_chain(OWNER.address)["claimed"] == settled + PRICE)


def test_accounts_are_exported_and_imported(home, folder):
    secret, passphrase = folder / "account.json", folder / "passphrase"
    passphrase.write_text("a long passphrase\n")
    environment = clean_environment(DECLOUD_HOME=str(home))
    other = clean_environment(DECLOUD_HOME=str(folder / "other"))
    done = run_program("account", "export", "default", "--file", secret, environment=environment)
    expect_equal(done.code, 0, str(done))
    expect_equal(secret.stat().st_mode & 0o077, 0, "who can read the exported key")
    done = run_program("account", "import", "default", "--file", secret, environment=other)
    expect_equal(done.code, 0, str(done))
    addresses = [run_program("account", "show", "default", "--json", environment=each).json["address"]
                 for each in (environment, other)]
    expect_equal(addresses[0].lower(), addresses[1].lower(), "address")


@contextlib.contextmanager
def small_disk(folder, size):
    """A file system of its own for what is in `folder`."""
    aside = folder.with_name(folder.name + "-aside")
    folder.rename(aside)
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], capture_output=True)
    if done.returncode != 0:
        folder.rmdir()
        aside.rename(folder)
        raise unittest.SkipTest("mounting a small disk is not allowed here")
    shutil.copytree(aside, folder, dirs_exist_ok=True, symlinks=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def fill(path):
    with open(path, "wb", buffering=0) as file:
        for size in (1 << 20, 4096, 1):
            with contextlib.suppress(OSError):
                while True:
                    file.write(b"x" * size)


def test_a_full_disk_refuses_before_it_charges(home):
    node = home / "data" / "node"
    used = sum(each.stat().st_size for each in node.rglob("*") if each.is_file())
    with small_disk(node, used + (64 << 20)), Cloud(home) as cloud:
        url, filler = cloud.node(cloud.cid("hello")), node / "filler"
        content = Upload()
        content.add(os.urandom(3 << 20))
        fill(filler)
        refused = cloud.import_car(cloud.user(), content.car())
        expect_equal(refused.status, 507, refused.text)
        says_what_to_do(refused)
        spent = cloud.spent()
        answers = [http1.request(url).status for _ in range(50)]
        expect(set(answers) <= {200, 503, 507}, answers)
        wait_for("holds to end", lambda: int(cloud.ledger()["held"]) == 0)
        expect_equal(cloud.spent() - spent, answers.count(200) * PRICE, "charged while the disk was full")
        filler.unlink()
        expect_equal(cloud.import_car(cloud.user(), content.car()).status, 200, "with room again")
        expect_equal(http1.request(url).status, 200, "a call")
        cloud.settle()
        wait_for("chain = log", lambda: cloud.on_chain()["claimed"] == cloud.spent())
