"""Homes whose accounts are encrypted: who is asked for a passphrase, and what happens without it."""

import array
import contextlib
import fcntl
import json
import mmap
import os
import pathlib
import pty
import select
import subprocess
import termios

import http1
from harness import (PRICE, PROGRAM, Cloud, clean_environment, descendants, ends_with_parent, expect, expect_equal, probe,
                     project, run_program, wait_for)
from providers_test import Bob, environment_of, good

PASSPHRASE = "correct horse ✓"


def passphrase_file(folder, text=PASSPHRASE, name="passphrase"):
    file = folder / name
    file.write_text(text + "\nnot the passphrase\n")
    file.chmod(0o600)
    return file


def account_file(home, name):
    return home / "data" / "keys" / "accounts" / f"{name}.json"


def refused(done, why):
    expect_equal(done.code, 4, f"exit code: {done}")
    expect(why in done.err and "help: " in done.err and "--passphrase-file" in done.err, f"no help: {done}")
    expect(PASSPHRASE not in done.err + done.out, f"the passphrase is in {done}")


def is_in_memory(pid, *needles):
    """Whether a process holds any of these; one that lets nobody look does not."""
    try:
        maps = pathlib.Path(f"/proc/{pid}/maps").read_text()
        memory = open(f"/proc/{pid}/mem", "rb", buffering=0)
    except PermissionError:
        return False
    with memory, open(f"/proc/{pid}/pagemap", "rb", buffering=0) as pages:
        for line in maps.splitlines():
            span, modes = line.split()[:2]
            start, end = (int(each, 16) for each in span.split("-"))
            # Neither [vsyscall], which is not in the process's half of the addresses, nor what a sanitizer
            # writes down about the memory, terabytes of which little is used.
            if modes.startswith("r") and end < 1 << 47 and end - start < 1 << 40 and any(
                    each in content for content in used_memory(memory, pages, start, end) for each in needles):
                return True
    return False


def used_memory(memory, pages, start, end, step=1 << 26, overlap=1 << 16):
    """The parts of a mapping that were ever touched; they overlap, so that nothing is cut in two."""
    for at in range(start, end, step):
        size = min(step + overlap, end - at)
        pages.seek(at // mmap.PAGESIZE * 8)
        # The two highest bits: in memory, swapped out.
        if max(array.array("Q", pages.read(size // mmap.PAGESIZE * 8)), default=0) >> 62:
            memory.seek(at)
            with contextlib.suppress(OSError):
                yield memory.read(size)


def encrypt(home, folder, *names):
    for name in names:
        good(home, "account", "encrypt", name, "--passphrase-file", passphrase_file(folder))
        stored = json.loads(account_file(home, name).read_text())
        expect(stored["version"] == 3 and stored["crypto"]["kdf"] == "scrypt" and "key" not in stored, f"{stored}")


def test_an_encrypted_home_is_a_whole_cloud(home, folder):
    encrypt(home, folder, "default", "provider")
    known = clean_environment(DECLOUD_PASSPHRASE=PASSPHRASE)
    with Cloud(home, environment=known) as cloud:
        locked = environment_of(home)
        for pid in [cloud.process.pid, *descendants(cloud.process.pid)]:
            with contextlib.suppress(PermissionError):
                expect(PASSPHRASE.encode() not in pathlib.Path(f"/proc/{pid}/environ").read_bytes(),
                       f"the passphrase stands in the environment of {pid}")

        at = project(folder / "locked", "locked", program=probe("wasm"), runtime="wasm")
        refused(cloud.cli("deploy", at, "--provider", "alice.decloud", environment=locked), "encrypted")
        cid = cloud.good("deploy", at, "--provider", "alice.decloud", "--json").json["cid"]
        with cloud.costs(PRICE):
            done = cloud.good("call", f"{cid}?echo=1", "--provider", "alice.decloud", "-d", "unpaid", environment=locked)
        expect_equal(done.out, "unpaid", "an answer that the owner pays for, who need not be asked")

        paid = ("call", f"{cid}?echo=1", "--provider", "alice.decloud", "--pay", "-d", "paid")
        with cloud.costs(0):
            refused(cloud.cli(*paid, environment=locked), "encrypted")
            refused(cloud.cli(*paid, "--passphrase-file", passphrase_file(folder, "wrong", "wrong")), "wrong passphrase")
        with cloud.costs(PRICE):
            file = passphrase_file(folder)
            expect_equal(cloud.good(*paid, "--passphrase-file", file, environment=locked).out, "paid", "answer")
        with cloud.costs(PRICE):
            done = cloud.good(*paid, "--passphrase-file", "-", environment=locked, input=f"{PASSPHRASE}\n".encode())
            expect_equal(done.out, "paid", "answer with the passphrase on standard input")

        refused(cloud.cli("escrow", "deposit", "0.001", environment=locked), "encrypted")
        cloud.good("escrow", "deposit", "0.001")
        for words in (["escrow", "status"], ["account", "show"], ["account", "list"], ["ls"], ["provider", "status"]):
            expect(cloud.cli(*words, environment=locked).code in (0, 5), f"{words} needs a passphrase")

        cloud.kill_node()
        expect_equal(http1.request(cloud.node(cid, "?echo=1"), "POST", body=b"again").text, "again", "after a restart")
    refused(run_program("up", "--once", *cloud.flags.words(), environment=locked, timeout=120), "encrypted")


def test_a_provider_starts_again_with_a_passphrase_file(cloud, folder):
    bob = Bob(cloud, folder)
    bob.stop()
    encrypt(bob.home, folder, "provider")
    bob.start()
    bob.stop()

    # Without the account's word on the node's key, which it keeps for 90 days, the account has to sign.
    (bob.home / "data" / "delegation.json").unlink()
    environment = environment_of(bob.home)
    refused(run_program("provider", "run", environment=environment), "encrypted")
    wrong = passphrase_file(folder, "wrong", "wrong")
    refused(run_program("provider", "run", "--passphrase-file", wrong, environment=environment), "wrong passphrase")
    bob.process = subprocess.Popen(
        [PROGRAM, "provider", "run", "--passphrase-file", passphrase_file(folder)], stdin=subprocess.DEVNULL,
        stdout=bob.log, stderr=bob.log, env=environment, preexec_fn=ends_with_parent)
    wait_for("bob to be ready", bob.is_ready, 40)
    delegation = http1.request(bob.url + "/.well-known/decloud").json["delegation"]
    expect_equal(delegation["account"].lower(), bob.account.address, "who delegates")
    key = bob.account.secret.to_bytes(32, "big")
    expect(is_in_memory(os.getpid(), key), "the search finds nothing, not even here")
    expect(not is_in_memory(bob.process.pid, PASSPHRASE.encode(), key, key.hex().encode()),
           "the node still holds the account's key or its passphrase")
    bob.stop()
    expect(PASSPHRASE not in bob.said(), "the passphrase is in the log")
    bob.start()
    bob.stop()


def test_accounts_are_encrypted_and_decrypted_without_a_change_of_address(folder):
    home, file = folder / "home", passphrase_file(folder)
    environment = environment_of(home)
    address = good(home, "account", "create", "mine").out.strip()
    plain = account_file(home, "mine").read_text()
    encrypt(home, folder, "mine")
    expect_equal(good(home, "account", "show", "mine", "--json").json, {"name": "mine", "address": address,
                                                                         "encrypted": True}, "account")
    expect_equal(run_program("account", "encrypt", "mine", "--passphrase-file", file, environment=environment).code, 64,
                 "encrypting twice")
    refused(run_program("account", "decrypt", "mine", environment=environment), "encrypted")
    good(home, "account", "decrypt", "mine", "--passphrase-file", file)
    expect_equal(account_file(home, "mine").read_text(), plain, "the file")
    empty = passphrase_file(folder, "", "empty")
    done = run_program("account", "create", "empty", "--encrypt", "--passphrase-file", empty, environment=environment)
    expect_equal(done.code, 64, str(done))
    file.chmod(0o644)
    done = good(home, "account", "create", "warned", "--encrypt", "--passphrase-file", file)
    expect("others may read" in done.err, f"no warning: {done}")


def test_a_passphrase_is_changed_in_one_step(folder):
    home, old = folder / "home", passphrase_file(folder)
    environment, new = environment_of(home), passphrase_file(folder, "another one", "new")
    address = good(home, "account", "create", "mine", "--encrypt", "--passphrase-file", old).out.strip()
    before = account_file(home, "mine").read_text()
    change = ("account", "passphrase", "mine")
    refused(run_program(*change, "--passphrase-file", new, "--new-passphrase-file", old, environment=environment),
            "wrong passphrase")
    done = run_program(*change, "--passphrase-file", old, environment=environment)
    expect(done.code == 4 and "--new-passphrase-file" in done.err, f"no new passphrase: {done}")
    empty = passphrase_file(folder, "", "empty")
    done = run_program(*change, "--passphrase-file", old, "--new-passphrase-file", empty, environment=environment)
    expect_equal(done.code, 64, str(done))
    expect_equal(account_file(home, "mine").read_text(), before, "the file after what was refused")
    good(home, *change, "--passphrase-file", old, "--new-passphrase-file", new)
    expect(address in good(home, "account", "show", "mine").out, "another address")
    refused(run_program("account", "decrypt", "mine", "--passphrase-file", old, environment=environment),
            "wrong passphrase")
    both = f"another one\n{PASSPHRASE}\n".encode()
    good(home, *change, "--passphrase-file", "-", "--new-passphrase-file", "-", input=both)
    good(home, "account", "decrypt", "mine", "--passphrase-file", old)
    done = run_program(*change, "--new-passphrase-file", old, environment=environment)
    expect(done.code == 64 and "account encrypt" in done.err, f"not encrypted: {done}")


class Terminal:
    """A terminal in which a command runs, and what it showed."""

    def __init__(self, home, *words):
        self.shown = b""
        self.ours, self.theirs = pty.openpty()

        def takes_terminal():
            ends_with_parent()
            fcntl.ioctl(self.theirs, termios.TIOCSCTTY, 0)

        self.process = subprocess.Popen([PROGRAM, *words], stdin=self.theirs, stderr=self.theirs, stdout=subprocess.PIPE,
                                        env=environment_of(home), start_new_session=True, preexec_fn=takes_terminal)

    def expect(self, text):
        def seen():
            if select.select([self.ours], [], [], 0)[0]:
                self.shown += os.read(self.ours, 4096)
            return text.encode() in self.shown
        wait_for(f"{text!r} on the terminal", seen, 20, 0.01)
        self.shown = self.shown.split(text.encode(), 1)[1]

    def answer(self, question, text):
        self.expect(question)
        os.write(self.ours, text.encode())

    def end(self):
        """Exit code, standard output, and whether the terminal shows again what is typed."""
        out, _ = self.process.communicate(timeout=30)
        echoes = bool(termios.tcgetattr(self.theirs)[3] & termios.ECHO)
        while select.select([self.ours], [], [], 0)[0]:
            self.shown += os.read(self.ours, 4096)
        os.close(self.ours)
        os.close(self.theirs)
        expect(PASSPHRASE.encode() not in self.shown, f"the passphrase was shown: {self.shown}")
        return self.process.returncode, out.decode().strip(), echoes


def test_a_terminal_is_asked_and_does_not_show_the_answer(folder):
    home = folder / "home"
    terminal = Terminal(home, "account", "create", "typed", "--encrypt")
    terminal.answer("New passphrase of typed: ", PASSPHRASE + "\n")
    terminal.answer("The same again: ", PASSPHRASE + "\n")
    code, address, echoes = terminal.end()
    expect_equal((code, echoes), (0, True), "making an account")

    terminal = Terminal(home, "account", "create", "other", "--encrypt")
    terminal.answer("New passphrase of other: ", PASSPHRASE + "\n")
    terminal.answer("The same again: ", "something else\n")
    expect_equal(terminal.end()[0], 64, "two that differ")
    expect(not account_file(home, "other").exists(), "an account was made")

    terminal = Terminal(home, "account", "export", "typed", "--file", str(folder / "key"))
    terminal.answer("Passphrase of typed: ", PASSPHRASE + "\n")
    expect_equal(terminal.end()[0], 0, "opening it")
    expect(len((folder / "key").read_text().strip()) == 66 and address, "no key was written")

    terminal = Terminal(home, "account", "export", "typed", "--file", str(folder / "second"))
    terminal.answer("Passphrase of typed: ", "\x03")
    code, _, echoes = terminal.end()
    expect_equal((code, echoes), (2, True), "Ctrl-C")
    expect(not (folder / "second").exists(), "a key was written")
