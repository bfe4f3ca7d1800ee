"""What is on disk: damage is refused by name and never used, backups restore and never charge twice."""

import contextlib
import pathlib
import shutil
import subprocess
import unittest

import http1
from ethereum import development_account
from harness import (PRICE, USDC, Cloud, Flags, clean_environment, expect, expect_equal, probe, run_program,
                     wait_for)

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


def log_files(home):
    found = sorted((each for each in (home / "data" / "node" / "ledger").rglob("*") if each.is_file()),
                   key=lambda each: each.stat().st_size)
    expect(found, "no ledger on disk")
    return found


def test_damage_in_the_ledger_is_refused_by_name(home):
    path = log_files(home)[-1]
    flip(path, path.stat().st_size // 3)
    starts_not(home, path.name)


def test_a_torn_tail_of_the_ledger_is_cut_and_reported(home):
    with Cloud(home) as cloud:
        spent = cloud.spent()
    newest = max(log_files(home), key=lambda each: (each.stat().st_mtime, each.name))
    with open(newest, "ab") as file:
        file.write(b"\x40\0\0\0torn")
    with Cloud(home) as cloud:
        expect(int(cloud.status()["recovery"]["bytes_cut"]) > 0, cloud.status()["recovery"])
        expect_equal(cloud.spent(), spent + 3 * PRICE, "spent")


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


def test_a_full_disk_refuses_before_it_charges(home):
    node = home / "data" / "node"
    used = sum(each.stat().st_size for each in node.rglob("*") if each.is_file())
    with small_disk(node, used + (96 << 20)), Cloud(home) as cloud:
        url = cloud.node(cloud.cid("hello"))
        expect_equal(http1.request(url).status, 200, "before")
        filler = node / "filler"
        with open(filler, "wb", buffering=0) as file, contextlib.suppress(OSError):
            for size in (1 << 20, 4096, 1):
                with contextlib.suppress(OSError):
                    while True:
                        file.write(b"x" * size)
        full = wait_for("the disk to be too full", lambda: not_ok(cloud, url), 60, 0)
        expect(full.status in (503, 507), f"{full.status} {full.text}")
        spent = cloud.spent()
        for _ in range(5):
            expect(http1.request(url).status in (503, 507), "still full")
        expect_equal(cloud.spent(), spent, "charged while the disk was full")
        filler.unlink()
        wait_for("room again", lambda: http1.request(url).status == 200, 30)
        wait_for("the charge", lambda: cloud.spent() == spent + PRICE, 10)
        cloud.settle()
        wait_for("chain = log", lambda: cloud.on_chain()["claimed"] == cloud.spent())


def not_ok(cloud, url):
    answer = http1.request(url)
    return answer if answer.status != 200 else None
