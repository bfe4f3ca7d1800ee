"""The ledger beside PostgreSQL, and with many channels: parts of bench/run."""

import contextlib
import json
import os
import pathlib
import pwd
import re
import shutil
import statistics
import subprocess

BUILD = pathlib.Path(os.environ.get("DECLOUD_BUILD", pathlib.Path(__file__).resolve().parent.parent / "build"))
POSTGRES = pathlib.Path("/usr/lib/postgresql/15/bin")
PAYERS = 1000
CHANNELS = 100_000
SETTLED = 10_000
# Durable, as it comes; more memory and log than it needs, no replicas, nothing else to do.
SETTINGS = {
    "listen_addresses": "''", "fsync": "on", "synchronous_commit": "on", "full_page_writes": "on", "wal_level": "minimal",
    "max_wal_senders": "0", "shared_buffers": "512MB", "wal_buffers": "64MB", "max_wal_size": "8GB",
    "checkpoint_timeout": "1h", "jit": "off", "max_connections": "100",
}


def as_postgres():
    """PostgreSQL does not run as root."""
    return ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []


@contextlib.contextmanager
def postgres(folder):
    """A cluster of its own on the disk on which the ledger is, reached by a Unix socket."""
    folder.mkdir()
    if os.geteuid() == 0:
        for parent in (folder.parent, folder):
            parent.chmod(0o755)
        shutil.chown(folder, pwd.getpwnam("postgres").pw_uid)
    data = folder / "data"
    quiet = {"check": True, "stdout": subprocess.DEVNULL, "cwd": "/"}
    subprocess.run([*as_postgres(), POSTGRES / "initdb", "-D", data, "-U", "bench", "-A", "trust", "-E", "UTF8"], **quiet)
    options = " ".join(f"-c {name}={value}" for name, value in SETTINGS.items()) + f" -k {folder}"
    control = [*as_postgres(), POSTGRES / "pg_ctl", "-D", data, "-w", "-s"]
    subprocess.run([*control, "-o", options, "-l", folder / "log", "start"], **quiet)
    try:
        yield lambda *words: subprocess.run(
            [*words, "-h", folder, "-U", "bench", "postgres"], check=True, capture_output=True, text=True).stdout
    finally:
        subprocess.run([*control, "-m", "immediate", "stop"], **quiet)


def table(run):
    """Rows have room beside them, so that an update touches no index."""
    run("psql", "-q", "-c", f"""
        CREATE TABLE payers (id integer PRIMARY KEY, spent bigint NOT NULL, cap bigint NOT NULL) WITH (fillfactor = 20);
        INSERT INTO payers SELECT id, 0, 1::bigint << 60 FROM generate_series(1, {PAYERS}) AS id;
        ANALYZE payers""")


def updates(run, work, payers, clients, seconds):
    script = work / "spend.sql"
    script.write_text(f"\\set id random(1, {payers})\n"
                      "UPDATE payers SET spent = spent + 1 WHERE id = :id AND spent + 1 <= cap;\n")
    out = run(str(POSTGRES / "pgbench"), "-n", "-M", "prepared", "-c", str(clients), "-j", "2", "-T", seconds, "-f",
              str(script))
    return float(re.search(r"tps = ([\d.]+)", out).group(1))


def ledger(work, payers, clients, seconds, *words):
    out = subprocess.run([BUILD / "bench/ledger_bench", str(payers), seconds, str(clients), work / "ledger", *words],
                         check=True, capture_output=True, text=True).stdout
    found = re.search(r": (\d+) durable spends/s, (\d+) failures", out)
    if found.group(2) != "0":
        raise RuntimeError(out)
    return float(found.group(1))


def spends(work, measure):
    """Interleaved rounds of the same number of clients, each of which waits until its spend is on disk."""
    cases = [(payers, clients) for payers in (PAYERS, 1) for clients in (8, 64)]
    with postgres(work / "postgres") as run:
        table(run)
        # The better of the two ways in which it can gather commits.
        rates = {}
        for delay in (0, 200):
            run("psql", "-q", "-c", f"ALTER SYSTEM SET commit_delay = {delay}")
            run("psql", "-q", "-c", "SELECT pg_reload_conf()")
            rates[delay] = updates(run, work, PAYERS, 8, measure.seconds)
        best = max(rates, key=rates.get)
        run("psql", "-q", "-c", f"ALTER SYSTEM SET commit_delay = {best}")
        run("psql", "-q", "-c", "SELECT pg_reload_conf()")
        print(f"# PostgreSQL with commit_delay: {rates}; {best} from here on")
        for payers, clients in cases:
            ours, strict, theirs = [], [], []
            for _ in range(measure.rounds):
                ours.append(ledger(work, payers, clients, measure.seconds))
                strict.append(ledger(work, payers, clients, measure.seconds, "committed"))
                theirs.append(updates(run, work, payers, clients, measure.seconds))
            who = "one hot payer" if payers == 1 else f"{payers:,} payers"
            said = (f"{statistics.median(ours):,.0f} and {statistics.median(theirs):,.0f} durable spends/s; "
                    f"{statistics.median(strict):,.0f} if each waits for its commit, too")
            print(f"# {who}, {clients} clients: ours {ours}, committed {strict}, PostgreSQL {theirs}")
            measure.report(f"spends of {who}, {clients} clients / PostgreSQL", measure.ratio(ours, theirs), 10, said=said)


def settle(work, measure):
    """Every channel's row from the wish to settle until the chain has all of them in final blocks."""
    root = pathlib.Path(__file__).resolve().parent.parent
    out = subprocess.run([BUILD / "bench/settle_bench", str(SETTLED), work / "settle", root], check=True,
                         capture_output=True, text=True).stdout
    found = json.loads(out)
    print(f"# settling: {found}")
    said = f"{found['transactions']} transactions in {found['blocks']} blocks of a second, two more make one final"
    measure.report(f"settling {SETTLED:,} channels, s", found["seconds"], 60, at_most=True, said=said)
    measure.report(f"gas of a row when settling {SETTLED:,} channels", found["gas_per_row"], 17_000, at_most=True,
                   said="of the receipts: all that was paid for, by all rows")


def channels(work, measure):
    """The ledger when it knows 100,000 channels, of which 1,000 are used, against one that knows one."""
    many, one = [], []
    for count in (1, CHANNELS):
        subprocess.run([BUILD / "bench/channels_bench", "make", str(count), work / f"channels-{count}"], check=True)
    for _ in range(measure.rounds):
        for count, into in ((1, one), (CHANNELS, many)):
            out = subprocess.run([BUILD / "bench/channels_bench", "measure", str(count), measure.seconds,
                                  work / f"channels-{count}"], check=True, capture_output=True, text=True).stdout
            into.append(json.loads(out))
    print(f"# one channel: {one}\n# {CHANNELS:,} channels: {many}")

    def median(rows, name):
        return statistics.median(row[name] for row in rows)

    for name in ("p50", "p99"):
        compared = measure.ratio([row[name] for row in many], [row[name] for row in one])
        measure.report(
            f"{name} of a spend, {CHANNELS:,} channels / 1", compared, 1.2, at_most=True, said=f"{median(many, name):.0f} and {median(one, name):.0f} µs, 1 client; "
            f"the first call of a channel {median(many, 'first_p50'):.0f} µs")
    measure.report(f"start with {CHANNELS:,} channels, s", median(many, "start_ms") / 1e3, 2, at_most=True,
                   said="the ledger alone: checkpoint read, log replayed")
    per_channel = (median(many, "resident") - median(one, "resident")) / CHANNELS
    measure.report("bytes of an idle channel", per_channel, 200, at_most=True,
                   said="resident memory of the process after the start, over that with one channel")
