"""Receipts are proofs that need nobody's help, and outlive the keys that signed them."""

import base64
import hashlib
import json
import pathlib

import http1
from harness import (PRICE, clean_environment, expect, expect_equal, probe, project, run_program, wait_for)

BODY = b"what is to be echoed"


def called(cloud):
    """A paid call: its target, the answer, and the path of its receipt."""
    if not hasattr(cloud, "echo_cid"):
        cloud.echo_cid = cloud.upload(cloud.user(), {"program.wasm": probe("wasm").read_bytes()})
    url = cloud.node(cloud.echo_cid, "/x?echo=1")
    answer = http1.request(url, "POST", [], BODY)
    expect_equal((answer.status, answer.body), (200, BODY), "the call")
    return http1.target_of(url), answer


def offline(folder, *arguments, input=None):
    """The program with a home of its own in which there is no chain, no key and no provider."""
    environment = clean_environment() | {"DECLOUD_HOME": str(folder / "stranger")}
    return run_program("receipt", "verify", *arguments, environment=environment, input=input)


def test_a_receipt_is_fetched_and_verified_without_network(cloud, folder):
    target, answer = called(cloud)
    file, body = folder / "receipt.json", folder / "body"
    body.write_bytes(BODY)
    cloud.good("receipt", "get", answer.receipt, "-o", file)
    by_url = cloud.good("receipt", "get", cloud.node_url + answer.receipt).out
    expect_equal(json.loads(by_url), json.loads(file.read_text()), "by its URL")
    done = offline(folder, file, "--target", target, "--request", body, "--response", body,
                   "--provider-account", cloud.provider, "--json")
    expect_equal(done.code, 0, str(done))
    found = done.json
    expect_equal((found["valid"], found["provider"], found["account"], found["amount"], found["requestChecked"]),
                 (True, "alice.decloud", cloud.provider, str(PRICE), True), "verified")
    expect_equal(offline(folder, "-", input=file.read_bytes()).code, 0, "from standard input")
    other = folder / "other"
    other.write_bytes(BODY + b"!")
    for wrong in (("--target", target, "--request", other), ("--response", other),
                  ("--target", target + "&more", "--request", body), ("--target", target),
                  ("--provider-account", cloud.account), ("--lowest-epoch", "1000")):
        done = offline(folder, file, *wrong)
        expect(done.code in (1, 4) and "not valid" in done.err, f"{wrong}: {done}")
    changed = folder / "changed.json"
    changed.write_text(file.read_text().replace(f'"amount":"{PRICE}"', '"amount":"1"'))
    expect_equal(offline(folder, changed).code, 4, "another amount")
    expect_equal(offline(folder, folder / "nothing").code, 3, "no file")
    expect_equal(cloud.cli("receipt", "get", "0" * 32).code, 3, "no such receipt")
    expect_equal(cloud.cli("receipt", "get", "what").code, 64, "no receipt's id")


def test_receipts_stay_valid_when_the_identity_key_is_rotated(cloud, folder):
    _, answer = called(cloud)
    before, after = folder / "before.json", folder / "after.json"
    cloud.good("receipt", "get", answer.receipt, "-o", before)
    old = offline(folder, before, "--json").json
    made = cloud.good("provider", "rotate-key", "identity", "--revoke-old", "--json").json
    expect_equal((made["epoch"], made["revoked"]), (old["epoch"] + 1, True), "the next epoch")
    cloud.kill_node()
    expect_equal(cloud.well_known()["node"]["id"], made["key"], "the node's key")
    cloud.good("receipt", "get", answer.receipt, "-o", after)
    expect_equal(offline(folder, before, "--json").json["signer"], old["signer"], "the file of before")
    new = offline(folder, after, "--lowest-epoch", made["epoch"], "--json")
    expect_equal((new.code, new.json["signer"], new.json["id"]), (0, made["key"], old["id"]), "signed again")
    expect_equal(offline(folder, before, "--lowest-epoch", made["epoch"]).code, 4, "for who asks the chain")
    _, answer = called(cloud)
    cloud.good("receipt", "get", answer.receipt, "-o", after)
    expect_equal(offline(folder, after).code, 0, "a new call's")


def test_a_retired_rsa_key_keeps_opening_what_was_encrypted_to_it(cloud, folder):
    cloud.good("deploy", project(folder / "old", "oldspec", runtime="wasm"), "--provider", "alice.decloud")
    before = cloud.well_known()["rsaKey"]
    made = cloud.good("provider", "rotate-key", "rsa", "--json").json
    expect(made["retired"] >= 1, str(made))
    cloud.kill_node()
    now = cloud.well_known()["rsaKey"]
    expect(now != before, "the node offers the old key")
    thumbprint = hashlib.sha256(json.dumps({"e": now["e"], "kty": "RSA", "n": now["n"]}, sort_keys=True,
                                           separators=(",", ":")).encode()).digest()
    expect_equal(base64.urlsafe_b64encode(thumbprint).decode().rstrip("="), made["key"], "its thumbprint")
    expect_equal(cloud.good("call", "oldspec?echo=1", "-d", "old").out, "old", "a spec to the retired key")
    cloud.good("deploy", project(folder / "new", "newspec", runtime="wasm"), "--provider", "alice.decloud")
    expect_equal(cloud.good("call", "newspec?echo=1", "-d", "new").out, "new", "a spec to the new key")
    expect_equal(cloud.cli("provider", "rotate-key", "rsa", "--revoke-old").code, 64, "it has nothing to revoke")
    expect_equal(cloud.cli("provider", "rotate-key", "settler").code, 64, "no such key")


def test_the_table_of_the_documentation_is_the_programs(cloud):
    page = pathlib.Path(__file__).resolve().parents[2] / "docs" / "economics.md"
    text = page.read_text()
    command = next(line for line in text.splitlines() if line.startswith("decloud escrow economics"))
    table = run_program(*command.split()[1:], environment=clean_environment()).out
    expect(len(table.splitlines()) > 4, table)
    expect(table in text, f"docs/economics.md has another table than\n{table}")
    rows = run_program(*command.split()[1:], "--json", environment=clean_environment()).json
    gas = json.loads((page.parents[1] / "contracts" / "gas.json").read_text())
    expect_equal(rows["gas"]["singleClaim"], gas["Escrow claimBatch, 1 row"], "gas")
    for row in rows["rows"]:
        wei = round(float(row["gasPriceGwei"]) * 1e9)
        cost = rows["gas"]["consumedRow"] * wei * int(rows["usdcPerCoin"]) / 1e18
        expect(0 <= int(row["rowCost"]) - cost < 1, f"{row}: {cost}")
        expect(int(row["callsPerClaim"]) * int(rows["price"]) >= 100 * cost, str(row))
