"""The command line: exit codes, what goes where, and what it says when something is low or wrong."""

import json
import os
import re
import signal
import subprocess

import http1
from ethereum import Account
from harness import PROGRAM, USDC, Cloud, clean_environment, expect, expect_equal, in_threads, project, run_program, wait_for

VERBS = ["up", "init", "dev", "logs", "deploy", "undeploy", "versions", "rollback", "secret", "call", "ls", "show",
         "account", "escrow", "provider", "gateway", "content", "status", "doctor", "completion"]


def test_every_verb_has_help_and_refuses_what_it_does_not_know(folder):
    environment = clean_environment(DECLOUD_HOME=str(folder / "home"))
    top = run_program("--help", environment=environment)
    expect_equal(top.code, 0, str(top))
    for verb in VERBS:
        expect(verb in top.out, f"{verb} is not in --help")
        done = run_program(verb, "--help", environment=environment)
        expect(done.code == 0 and len(done.out) > 50 and not done.err, str(done))
        done = run_program(verb, "--no-such-flag", environment=environment)
        expect_equal(done.code, 64, str(done))
        expect(not done.out and done.err, str(done))
    done = run_program("nonsense", environment=environment)
    expect_equal(done.code, 64, "an unknown verb")
    expect("nonsense" in done.err, str(done))
    expect(not (folder / "home" / "data" / "node").exists(), "help changed the home")


def test_json_is_everywhere(cloud):
    for words in (["status"], ["ls"], ["show", "hello"], ["versions", "hello"], ["escrow", "status"], ["account", "list"],
                  ["provider", "status"], ["account", "show"], ["secret", "list", "hello"], ["doctor"]):
        done = cloud.cli(*words, "--json")
        expect(done.code in (0, 1, 5), str(done))
        json.loads(done.out)


def test_exit_codes_say_what_failed(cloud, folder):
    unknown = "bafkreidgvpkjawlxz6sffxzwgooowe5yt7i6wsyg236mfoks77nywkptdq"
    expect_equal(cloud.cli("call", unknown, "--provider", "alice.decloud").code, 3, "not found")
    expect_equal(cloud.cli("call", "no-such-name").code, 3, "an unknown name")
    expect_equal(cloud.cli("show", "no-such-name").code, 3, "an unknown name")
    expect_equal(cloud.cli("call").code, 64, "usage")
    environment = cloud.environment | {"DECLOUD_HOME": str(cloud.home), "DECLOUD_RPC_URL": "http://127.0.0.1:9"}
    done = cloud.cli("escrow", "status", environment=environment)
    expect_equal(done.code, 6, str(done))
    expect("127.0.0.1:9" in done.err, str(done))
    cid = cloud.upload(cloud.user(), {"x": b""}, ownerPays={"callers": "none", "perDay": 1}, package=b"PK")
    done = cloud.cli("call", cid, "--provider", "alice.decloud")
    expect(done.code in (1, 5), str(done))


def test_commands_of_one_home_wait_for_each_other(cloud, folder):
    folders = [project(folder / f"at-once-{each}", f"at-once-{each}") for each in range(4)]
    commands = [["deploy", at, "--provider", "alice.decloud"] for at in folders] + [["escrow", "deposit", "0.001"]] * 2
    for done in in_threads(len(commands), lambda index: cloud.cli(*commands[index])):
        expect_equal(done.code, 0, str(done))


def into_a_closed_pipe(cloud, *words):
    """The exit code of a command whose reader has gone away, and what it says."""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as out:
        done = subprocess.run([PROGRAM, "--home", cloud.home, *map(str, words)], stdin=subprocess.DEVNULL, stdout=out,
                              stderr=subprocess.PIPE, env=cloud.environment, timeout=60)
    return done.returncode, done.stderr.decode()


def test_a_reader_that_goes_away_ends_the_command_without_a_word(cloud, folder):
    (folder / "file").write_bytes(os.urandom(200_000))
    cid = cloud.good("content", "add", folder / "file", "--json").json["cid"]
    for words in (["call", "hello"], ["ls"], ["show", "hello", "--json"], ["content", "cat", cid],
                  ["content", "export", cid], ["completion"]):
        expect_equal(into_a_closed_pipe(cloud, *words), (-signal.SIGPIPE, ""), words)


def test_nothing_prompts_without_a_terminal(cloud, folder):
    for words in (["secret", "set", "hello", "NAME"], ["account", "import", "other"], ["init"]):
        done = cloud.cli(*words, timeout=15, cwd=folder)
        expect(done.code != 0 or words[0] == "init", str(done))


def test_data_goes_to_stdout_and_messages_to_stderr(cloud, folder):
    done = cloud.good("deploy", project(folder / "plain", "plain"), "--provider", "alice.decloud")
    expect_equal(done.out.strip(), done.out.strip().split()[0], "the cid alone on standard output")
    expect(done.out.strip().startswith("baf"), done.out)


def test_the_gateway_first_then_the_provider(cloud):
    environment = cloud.environment | {"DECLOUD_HOME": str(cloud.home), "DECLOUD_GATEWAY_URL": "http://127.0.0.1:9"}
    expect_equal(cloud.good("call", "hello", environment=environment).out, "hello\n", "without a gateway")


def test_escrow_status_is_exit_5_when_little_is_left_and_names_the_command(cloud):
    expect_equal(cloud.cli("escrow", "status").code, 0, "while much is left")
    caller = Account.fresh()
    environment = cloud.environment | {"DECLOUD_HOME": str(cloud.home)}
    cloud.chain.rpc("anvil_setBalance", caller.address, hex(10**18))
    cloud.send("0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266", cloud.info["chain"]["usdc"], "mint(address,uint256)",
               caller.address, USDC)
    done = cloud.cli("account", "import", "small", input=f"0x{caller.secret:064x}\n".encode(), environment=environment)
    expect_equal(done.code, 0, str(done))
    cloud.good("escrow", "deposit", "0.5", "--account", "small")
    cloud.good("escrow", "approve", "alice.decloud", "--price", "0.001", "--budget", "0.01", "--account", "small")
    hello = cloud.cid("hello")
    wait_for("the node to see the channel", lambda: cloud.pay(caller, cloud.node(hello)).status == 200, 20, 0.3)
    for _ in range(9):
        cloud.pay(caller, cloud.node(hello))
    cloud.settle()
    for words in (["escrow", "status", "--account", "small"], ["status", "--account", "small"]):
        done = cloud.cli(*words)
        expect_equal(done.code, 5, str(done))
        expect("decloud escrow increase" in done.out + done.err or "decloud escrow approve" in done.out + done.err,
               str(done))
    wait_for("the operator's metric", lambda: running_low(cloud) >= 1, 20)


def running_low(cloud):
    text = http1.request(cloud.console_url + "/metrics").text
    return next((float(line.split()[1]) for line in text.splitlines()
                 if line.startswith("decloud_channels_running_low ")), 0)


def test_money_goes_in_and_out(cloud):
    free = cloud.free()
    cloud.good("escrow", "withdraw", "1.25")
    expect_equal(cloud.free(), free - USDC * 5 // 4, "after withdrawing")
    cloud.good("escrow", "deposit", "1.25")
    expect_equal(cloud.free(), free, "after depositing")
    reserved = cloud.on_chain()["reserved"]
    cloud.good("escrow", "increase", "alice.decloud", "0.5")
    expect_equal(cloud.on_chain()["reserved"], reserved + USDC // 2, "reserved")
    done = cloud.cli("escrow", "withdraw", "1000000")
    expect_equal(done.code, 5, str(done))
    for amount in ("-1", "1.2345678", "nan", "1e3", ""):
        expect_equal(cloud.cli("escrow", "deposit", amount).code, 64, amount)


def test_the_provider_is_paid_out(cloud):
    cloud.good("call", "hello")
    cloud.good("provider", "settle")
    earned = cloud.earned()
    expect(earned > 0, "nothing earned")
    cloud.good("provider", "payout")
    expect_equal(cloud.earned(), 0, "left in the escrow")
    balance = cloud.chain.view(cloud.info["chain"]["usdc"], "balanceOf(address)", cloud.provider)[0]
    expect(balance >= earned, f"{balance} in the provider's account, {earned} earned")


def test_doctor_finds_nothing_wrong_with_a_running_cloud(cloud):
    done = cloud.cli("doctor", "--json")
    expect(done.code in (0, 1), str(done))
    for word in ("port", "namespace", "cgroup", "chain", "clock", "disk"):
        expect(word in done.out.lower(), f"doctor says nothing about {word}: {done.out}")


def test_doctor_says_how_to_mend_what_is_wrong(cloud):
    environment = cloud.environment | {"DECLOUD_HOME": str(cloud.home), "DECLOUD_RPC_URL": "http://127.0.0.1:9"}
    done = cloud.cli("doctor", environment=environment)
    expect(done.code != 0, str(done))
    expect("127.0.0.1:9" in done.out + done.err, str(done))


COMPLETE = r"""
source <("$PROGRAM" completion bash)
COMP_WORDS=("$PROGRAM" "$@") COMP_CWORD=$# COMPREPLY=()
_decloud
printf '%s\n' "${COMPREPLY[@]}"
"""


def completed(cloud, *words, cwd=None):
    """What bash offers behind these words; the last is the one that is being typed."""
    done = subprocess.run(["bash", "-euc", COMPLETE, "bash", *words], capture_output=True, text=True, cwd=cwd,
                          env=cloud.environment | {"DECLOUD_HOME": str(cloud.home), "PROGRAM": PROGRAM}, timeout=60)
    expect_equal((done.returncode, done.stderr), (0, ""), words)
    return done.stdout.split()


def test_bash_completes_every_verb(cloud, folder):
    offered = completed(cloud, "")
    for verb in VERBS:
        expect(verb in offered, f"{verb} is not completed")
        flags = completed(cloud, verb, "--")
        shown = cloud.good(verb, "--help").out
        expect("--help" in flags, f"{verb}: {flags}")
        for flag in re.findall(r"^  (?:-\w,)?(--[a-z0-9-]+)", shown, re.MULTILINE):
            expect(flag in flags, f"{verb} {flag}: {flags}")
    expect_equal(completed(cloud, "provider", "trial", "gr"), ["grant"])


def test_bash_completes_values_and_what_stands_behind_them(cloud, folder):
    expect_equal(completed(cloud, "init", "new", "--template", "typ"), ["typescript"])
    expect_equal(completed(cloud, "--home", "deploy", "pro"), ["provider"])
    expect_equal(completed(cloud, "deploy", "some/folder", "--prov"), ["--provider"])
    expect_equal(completed(cloud, "logs", "hel"), ["hello"])
    (folder / "a-file").write_text("")
    expect_equal(completed(cloud, "deploy", "a-", cwd=folder), ["a-file"])


def test_keys_are_readable_by_their_owner_only(cloud, folder):
    for base, folders, files in os.walk(cloud.home / "data" / "keys"):
        for name in files:
            mode = os.stat(os.path.join(base, name)).st_mode
            expect_equal(mode & 0o077, 0, f"mode of {name}")
    exported = folder / "key"
    cloud.good("account", "export", "provider", "--file", exported)
    key = exported.read_text().strip().removeprefix("0x").lower()
    expect(len(key) == 64, "the exported key")
    for name in (cloud.home / "state" / "logs").glob("*"):
        expect(key not in name.read_text(errors="replace").lower(), f"a key in {name}")


def test_a_channel_is_finalized_by_its_providers_name_if_only_one_is_closing(home):
    with Cloud(home) as cloud:
        done = cloud.cli("escrow", "finalize", "alice.decloud")
        expect_equal(done.code, 3, str(done))
        expect("decloud escrow close alice.decloud" in done.err, str(done))
        first = cloud.on_chain()["id"]
        cloud.good("escrow", "approve", "alice.decloud", "--price", "0.002", "--budget", "1")
        second = cloud.on_chain()["id"]
        cloud.good("escrow", "approve", "alice.decloud", "--price", "0.003", "--budget", "1")
        done = cloud.cli("escrow", "finalize", "alice.decloud")
        expect_equal(done.code, 64, str(done))
        for identifier in (first, second):
            expect(f"0x{identifier:064x}" in done.err, str(done))
        expect_equal(cloud.cli("escrow", "finalize", "0x12").code, 64, "no id")
        cloud.chain.rpc("evm_increaseTime", 86_400)
        cloud.chain.rpc("evm_mine")
        cloud.good("escrow", "finalize", f"0x{first:064x}")
        cloud.good("escrow", "finalize", "alice.decloud")
        expect(cloud.channel(second)["finalized"], "the second channel")
