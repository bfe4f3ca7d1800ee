"""A home's OpenCloud id is left for another: what the earlier one was allowed goes on, and its key is worth nothing."""

import shutil

from deferred_test import POLICY, SUM
from harness import clean_environment, expect, expect_equal, run_program
from policy_test import write
from service_test import added

INFO = ("request", "alice.decloud", "info.info")


def own(cloud, *words):
    return cloud.good("account", *words, "--json").json


def thief_of(cloud, folder):
    """A home with a copy of this one's keys."""
    home = folder / "thief"
    shutil.copytree(cloud.home / "data" / "keys", home / "data" / "keys")
    shutil.copytree(cloud.home / "config", home / "config")
    return clean_environment(DECLOUD_HOME=str(home))


def is_left(done, first, then):
    expect(done.code != 0 and f"{first} was left for {then}" in done.err, str(done))


def test_the_id_that_follows_is_who_the_earlier_one_was(cloud, folder):
    first = own(cloud, "id")
    expect_equal(first["earlier"], [], "a new home's")
    cloud.good(*INFO)
    write(cloud, f'[[rule]]\nservice = "info"\ndeny = true\n[[rule]]\nservice = "info"\nid = "{first["id"]}"\nallow = true\n')
    cloud.good(*INFO)
    expect(cloud.cli(*INFO, "--anonymous").code != 0, "somebody without an id")
    thief = thief_of(cloud, folder)

    then = own(cloud, "rotate")
    expect(then["id"] != first["id"], "the same id")
    expect_equal((then["earlier"], own(cloud, "id")), ([first["id"]], then), "whom it follows")
    # Until the node has been shown, it cannot know.
    expect_equal(run_program(*INFO, environment=thief).code, 0, "a copy of the key before")
    cloud.good(*INFO)
    is_left(run_program(*INFO, environment=thief), first["id"], then["id"])
    expect_equal(run_program("account", "rotate", environment=thief).code, 0, "the thief's own word")
    is_left(run_program(*INFO, environment=thief), first["id"], then["id"])

    third = own(cloud, "rotate")
    expect_equal(third["earlier"], [then["id"], first["id"]], "whom it follows")
    cloud.good(*INFO)
    cloud.kill_node()
    cloud.good(*INFO)
    is_left(run_program(*INFO, environment=thief), first["id"], then["id"])


def test_an_id_that_owes_stays_until_it_has_paid(cloud, folder):
    added(cloud, folder, "calc")
    write(cloud, POLICY)
    cloud.good(*SUM)
    before = own(cloud, "id")
    refused = cloud.cli("account", "rotate")
    expect_equal(refused.code, 64, str(refused))
    expect("decloud daemon --once --all" in refused.err, str(refused))
    expect_equal(own(cloud, "id"), before, "after the refusal")
    expect_equal(cloud.cli("daemon", "--all").code, 64, "--all is for --once")
    expect_equal(cloud.good("daemon", "--once", "--all", "--json").json["repaid"], "100", "paid")
    then = own(cloud, "rotate")
    expect_equal(then["earlier"], [before["id"], *before["earlier"]], "whom it follows")
    cloud.good(*SUM)
    expect_equal(cloud.cli("account", "rotate").code, 64, "it owes again")
    expect_equal(own(cloud, "rotate", "--leave-debts")["earlier"], [then["id"], *then["earlier"]], "whom it follows")
    # What the earlier id owes counts against the limit of 20 such calls.
    for _ in range(19):
        cloud.good(*SUM)
    refused = cloud.cli(*SUM)
    expect(refused.code == 5 and "no-defer" in refused.err or "owes" in refused.err, str(refused))
