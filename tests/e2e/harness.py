"""Clouds to test, driven from outside: the command line, HTTP, the operator's socket, the chain, signals."""

import base64
import contextlib
import ctypes
import dataclasses
import fcntl
import json
import os
import pathlib
import re
import select
import shutil
import signal
import subprocess
import tempfile
import threading
import time

import http1
from content import Upload, make_spec, sign_spec, zip_of
from ethereum import Chain, Domain, development_account, sha256

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("DECLOUD_BUILD", ROOT / "build"))
PROGRAM = os.environ.get("DECLOUD", str(BUILD / "decloud"))
PRICE = 1000
USDC = 1_000_000
START_DEADLINE = 120

# A shell without job control starts what it leaves in the background with Ctrl-C ignored, and programs keep that.
signal.signal(signal.SIGINT, signal.default_int_handler)


class Failure(AssertionError):
    pass


def expect(condition, message):
    if not condition:
        raise Failure(message() if callable(message) else message)


def expect_equal(found, wanted, what=""):
    expect(found == wanted, lambda: f"{what}: {found!r}, expected {wanted!r}")


def wait_for(what, condition, deadline=30, interval=0.05):
    """The first true value of `condition`; the interval only spaces the questions."""
    end = time.monotonic() + deadline
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Failure(f"waited {deadline} s in vain for: {what}")
        select.select([], [], [], interval)


@dataclasses.dataclass
class Finished:
    command: list[str]
    code: int
    out: str
    err: str

    @property
    def json(self):
        try:
            return json.loads(self.out)
        except ValueError:
            raise Failure(f"no JSON on standard output of {self}") from None

    def __str__(self):
        return f"{' '.join(self.command)} -> exit {self.code}\n{self.out}\n{self.err}"


def clean_environment(**more):
    """Nothing of the caller's own decloud settings leaks into a test."""
    kept = {key: value for key, value in os.environ.items()
            if not key.startswith("DECLOUD_") or key in ("DECLOUD_NODE", "DECLOUD_NPM", "DECLOUD_CARGO")}
    return kept | more


def run_program(*arguments, input=None, timeout=60, cwd=None, environment=None, prefix=()):
    command = [*prefix, PROGRAM, *map(str, arguments)]
    stdin = {"stdin": subprocess.DEVNULL} if input is None else {"input": input}
    done = subprocess.run(command, capture_output=True, timeout=timeout, cwd=cwd,
                          env=environment or clean_environment(), **stdin)
    return Finished(command, done.returncode, done.stdout.decode(errors="replace"),
                    done.stderr.decode(errors="replace"))


def processes():
    """pid -> (parent, command words)."""
    found = {}
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError, IndexError, ValueError):
            stat = (entry / "stat").read_text()
            state, parent = stat.rsplit(")", 1)[1].split()[:2]
            if state != "Z":
                words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
                found[int(entry.name)] = (int(parent), [each for each in words if each])
    return found


def descendants(pid):
    table, known = processes(), [pid]
    for each in known:
        known += [child for child, (parent, _) in table.items() if parent == each]
    return {each: table[each][1] for each in known[1:]}


def users_of(folder):
    """Processes that have something to do with this folder, which no test shares with another."""
    text = str(folder)
    found = {}
    for pid, (_, words) in processes().items():
        links = []
        with contextlib.suppress(OSError):
            links = [os.readlink(link) for link in pathlib.Path(f"/proc/{pid}/fd").iterdir()]
        if pid != os.getpid() and (any(text in each for each in words) or any(text in each for each in links)):
            found[pid] = words
    return found


def is_alive(pid):
    return pid in processes()


@dataclasses.dataclass
class Flags:
    """Ports of `decloud up`; 0 is a free one."""

    chain: int = 0
    node: int = 0
    console: int = 0
    gateway: int = 0
    x402: bool = False

    def words(self):
        return [word for name in ("chain", "node", "console", "gateway")
                for word in (f"--{name}-port", str(getattr(self, name)))] + ["--x402-defaults"] * self.x402


def ends_with_parent():
    """In a child, before it becomes a program: it is told to end when the test's process dies."""
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)


class Cloud:
    """One `decloud up`, kept running until `stop`."""

    def __init__(self, home, flags=None, environment=None):
        self.home = pathlib.Path(home)
        self.flags = flags or Flags()
        self.environment = environment or clean_environment()
        self.process = None
        self.info = None
        self.errors = None

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    def start(self):
        self.errors = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            [PROGRAM, "up", "--home", str(self.home), *self.flags.words(), "--json"], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=self.errors, cwd=ROOT, env=self.environment, start_new_session=True,
            preexec_fn=ends_with_parent)
        line = self._first_line()
        self.info = json.loads(line)
        return self

    def _first_line(self):
        end, line = time.monotonic() + START_DEADLINE, b""
        descriptor = self.process.stdout.fileno()
        while not line.endswith(b"\n"):
            ready, _, _ = select.select([descriptor], [], [], max(0, end - time.monotonic()))
            data = os.read(descriptor, 65536) if ready else b""
            if not data:
                self.stop()
                raise Failure(f"decloud up was not ready in {START_DEADLINE} s or ended: {self.messages()}")
            line += data
        return line

    def messages(self):
        self.errors.seek(0)
        return self.errors.read().decode(errors="replace")

    def stop(self, number=signal.SIGINT, deadline=40):
        """Ends it as Ctrl-C does; kills what is left. The exit code, or None if it had to be killed."""
        if self.process is None or self.process.returncode is not None:
            return self.process and self.process.returncode
        self.process.send_signal(number)
        try:
            return self.process.wait(deadline)
        except subprocess.TimeoutExpired:
            for pid in [*descendants(self.process.pid), self.process.pid]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self.process.wait()
            return None
        finally:
            self.process.stdout.close()

    # Where things are.

    @property
    def node_url(self):
        return self.info["provider"]["url"]

    @property
    def gateway_url(self):
        return self.info["gateway"]["url"]

    @property
    def console_url(self):
        return self.info["provider"]["console"]

    @property
    def provider(self):
        return self.info["provider"]["address"].lower()

    @property
    def account(self):
        return self.info["account"]["address"].lower()

    @property
    def chain(self):
        return Chain(self.info["chain"]["rpc"])

    @property
    def chain_id(self):
        return int(self.info["chain"]["id"])

    @property
    def escrow(self):
        return self.info["chain"]["escrow"].lower()

    @property
    def domain(self):
        return Domain(self.chain_id, self.escrow)

    @property
    def audience(self):
        return f"eip155:{self.chain_id}:{self.provider}"

    def cid(self, name):
        return next(each["cid"] for each in self.info["functions"] if each["name"] == name)

    def node(self, cid, rest=""):
        return f"{self.node_url}/{cid}{rest}"

    def gateway(self, cid, rest=""):
        """Path form, which needs no resolution of names."""
        return f"{self.gateway_url}/p/alice.decloud/{cid}{rest}"

    def subdomain(self, cid, rest=""):
        port = http1.address_of(self.gateway_url)[1]
        return f"http://alice.localhost:{port}/{cid}{rest}"

    def child(self, *words):
        """The pid of the process of this cloud whose command has these words."""
        return next((pid for pid, command in descendants(self.process.pid).items()
                     if all(any(word in each for each in command) for word in words)), None)

    def part(self, kind):
        """The process that is this cloud's chain, node or gateway."""
        words = {"chain": ("anvil",), "node": ("provider", "run"), "gateway": ("gateway", "run")}[kind]
        return self.child(*words)

    def node_is_ready(self):
        try:
            return http1.request(self.node_url + "/readyz", timeout=5).status == 200
        except OSError:
            return False

    def kill(self, kind):
        """kill -9, and waits until `up` has started it again; the new pid."""
        old = self.part(kind)
        expect(old, f"no {kind} is running")
        os.kill(old, signal.SIGKILL)
        return wait_for(f"another {kind}", lambda: self.part(kind) not in (None, old) and self.part(kind), 30, 0.01)

    def until_durable(self):
        """Whatever was charged before is on disk: a call's record is there before its answer, and the log is in order."""
        answer = http1.request(self.node(self.cid("hello")))
        expect(answer.status == 200, lambda: f"{answer.status} {answer.text}")

    def kill_node(self):
        self.kill("node")
        wait_for("the node to be ready again", self.node_is_ready, 90, 0.02)

    # The command line and the operator.

    def cli(self, *arguments, **options):
        options.setdefault("environment", self.environment | {"DECLOUD_HOME": str(self.home)})
        return run_program(*arguments, **options)

    def good(self, *arguments, **options):
        done = self.cli(*arguments, **options)
        expect(done.code == 0, lambda: str(done))
        return done

    @property
    def socket(self):
        return str(self.home / "state" / "node.sock")

    def operator(self, method, target, body=b"", timeout=60):
        response = http1.unix_request(self.socket, method, target, body, timeout)
        expect(response.status == 200, lambda: f"{method} {target}: {response.status} {response.text}")
        return response.json

    def status(self):
        return self.operator("GET", "/operator/status")

    def settle(self):
        return self.operator("POST", "/operator/settle")

    # Money.

    def ledger(self, payer=None):
        """What the node's log says of a payer's newest channel."""
        payer = (payer or self.account).lower()
        found = [each for each in self.status()["channels"]
                 if each["payer"].lower() == payer and each.get("channel") and not each["final"] and
                 not each["closing"]]
        expect(found, f"the node knows no channel of {payer}")
        return found[-1]

    def spent(self, payer=None):
        return int(self.ledger(payer)["spent"])

    def on_chain(self, payer=None, block="latest"):
        """The escrow's `allowance`: id, price, remaining, reserved, claimed, calls."""
        names = ("id", "price", "remaining", "reserved", "claimed", "calls")
        return dict(zip(names, self.chain.view(self.escrow, "allowance(address,address)", payer or self.account,
                                               self.provider, block=block)))

    def channel(self, identifier):
        names = ("payer", "openedAt", "provider", "closeAt", "finalized", "claimed", "calls", "price", "reserved",
                 "signer")
        return dict(zip(names, self.chain.view(self.escrow, "channel(bytes32)", identifier)))

    def earned(self):
        return self.chain.view(self.escrow, "earned(address)", self.provider)[0]

    def free(self, account=None):
        return self.chain.view(self.escrow, "free(address)", account or self.account)[0]

    @contextlib.contextmanager
    def costs(self, amount, payer=None):
        """Exactly this much is charged in the meantime, and nothing stays held."""
        def nothing_is_held():
            return int(self.ledger(payer)["held"]) == 0

        # A call whose answer came early, such as a 413, is charged when it has ended.
        wait_for("earlier holds to end", nothing_is_held, 20)
        before = self.spent(payer)
        yield
        wait_for("holds to end", nothing_is_held, 10)
        expect_equal(self.spent(payer) - before, amount, "charged")

    def send(self, sender, to, signature, *values):
        """A transaction of one of anvil's own accounts, mined and successful."""
        transaction = self.chain.send(sender, to, signature, *values)
        receipt = wait_for("a transaction", lambda: self.chain.receipt(transaction), 20)
        expect_equal(int(receipt["status"], 16), 1, signature)
        return receipt

    def fund(self, account, budget, price=PRICE, deposit=None):
        """Reserves money of an account that anvil holds the key of for this provider."""
        deposit = budget if deposit is None else deposit
        usdc = self.info["chain"]["usdc"]
        if deposit:
            self.send(development_account(0).address, usdc, "mint(address,uint256)", account.address, deposit)
            self.send(account.address, usdc, "approve(address,uint256)", self.escrow, deposit)
            self.send(account.address, self.escrow, "deposit(uint128)", deposit)
        self.send(account.address, self.escrow, "approve(address,uint128,uint128)", self.provider, price, budget)
        wait_for("the node to see the channel", lambda: self._sees(account.address, price, budget), 20)

    def _sees(self, payer, price, budget):
        return any(each["payer"].lower() == payer and int(each["reserved"]) >= budget and
                   int(each["price"]) == price and not each["closing"] for each in self.status()["channels"])

    def user(self):
        return development_account(1)

    # Requests that are paid for and deployments by a stranger.

    def authorization(self, payer, method, target, body=b"", max_price=PRICE, **changes):
        fields = {"payer": payer.address, "provider": self.provider,
                  "requestDigest": "0x" + request_digest(method, target, body, self.audience).hex(),
                  "maxPrice": max_price, "nonce": "0x" + os.urandom(32).hex(),
                  "validBefore": int(time.time()) + 300} | changes
        return payment(self.domain.sign(payer, "CallAuthorization", fields))

    def pay(self, payer, url, method=None, body=b"", headers=(), **changes):
        """One request that its caller pays for."""
        method = method or ("POST" if body else "GET")
        target = http1.target_of(url)
        paid = self.authorization(payer, method, target, body, **changes)
        return http1.request(url, method, [*headers, ("OpenCloud-Payment", paid)], body)

    def import_car(self, payer, body):
        url = self.node_url + "/oc/v1/content/import"
        paid = self.authorization(payer, "POST", http1.target_of(url), body, 0)
        return http1.request(url, "POST", [
            ("Content-Digest", http1.content_digest(body)), ("OpenCloud-Payment", paid)], body)

    def well_known(self):
        return http1.request(self.node_url + "/.well-known/decloud").json

    def upload(self, owner, files=None, *, package=None, signed=None, providers=(), keys=(), seal=None, **spec):
        """Deploys as a stranger would. `signed` changes the signed fields, `seal` makes the stored spec."""
        content = Upload()
        program = content.add(zip_of(files) if package is None else package)
        text = sign_spec(make_spec(owner, program, **spec), owner, self.domain, providers, keys, **(signed or {}))
        cid = content.add(seal(text) if seal else text)
        answer = self.import_car(owner, content.car())
        expect(answer.status == 200, lambda: f"import: {answer.status} {answer.text}")
        return cid


def payment(statement):
    payload = base64.b64encode(json.dumps(statement).encode()).decode()
    return f'attached;method="authorization";payload=:{payload}:'


def request_digest(method, target, body, audience):
    path, question, query = target.partition("?")
    lines = [("@method", method), ("@path", path), ("@query", question + query if question else "?"),
             ("content-digest", http1.content_digest(body)), ("opencloud-audience", audience)]
    names = " ".join(f'"{name}"' for name, _ in lines)
    base = "".join(f'"{name}": {value}\n' for name, value in lines) + f'"@signature-params": ({names})'
    return sha256(base.encode())


# Homes.


def new_folder(prefix="home"):
    base = pathlib.Path(os.environ.get("DECLOUD_TEST_FOLDER") or tempfile.gettempdir())
    return pathlib.Path(tempfile.mkdtemp(prefix=f"{prefix}-", dir=base))


def template_home():
    """A home in which a whole cloud once ran, made once for all tests of a run."""
    base = pathlib.Path(os.environ["DECLOUD_TEST_FOLDER"])
    with open(base / "template.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        template = base / "template"
        if not template.exists():
            made = base / "template-new"
            shutil.rmtree(made, ignore_errors=True)
            done = run_program("up", "--once", "--home", made, *Flags().words(), timeout=START_DEADLINE, cwd=ROOT)
            expect(done.code == 0, lambda: f"no cloud to test with: {done}")
            made.rename(template)
    return template


def copied_home():
    home = new_folder()
    shutil.copytree(template_home(), home, dirs_exist_ok=True, symlinks=True,
                    ignore=lambda _, names: [each for each in names if each.endswith(".sock")])
    return home


def shared_cloud():
    return Cloud(copied_home())


def interop_home():
    """For runners that are no part of tests/run; several in one run share the template."""
    if "DECLOUD_TEST_FOLDER" not in os.environ:
        os.environ["DECLOUD_TEST_FOLDER"] = tempfile.mkdtemp(prefix="decloud-interop-")
    return copied_home()


def interop_cloud():
    return Cloud(interop_home())


# Programs to deploy.


def compile_probe(folder, runtime):
    """tests/e2e/programs/probe.c for a runtime; the folder is a project of its own."""
    source = pathlib.Path(__file__).parent / "programs" / "probe.c"
    flags = ["-static"] if runtime == "native" else ["--target=wasm32-wasi", "-fuse-ld=lld"]
    target = folder / ("probe" if runtime == "native" else "probe.wasm")
    if not target.exists():
        partial = folder / f"partial-{os.getpid()}"
        subprocess.run(["clang-19", "-O1", *flags, "-o", str(partial), str(source)], check=True)
        partial.rename(target)
    return target


def probe(runtime="native"):
    folder = pathlib.Path(os.environ["DECLOUD_TEST_FOLDER"]) / "programs"
    folder.mkdir(exist_ok=True)
    return compile_probe(folder, runtime)


def project(folder, name, runtime="native", program=None, toml="", limits=""):
    """A folder with decloud.toml and a built program."""
    folder.mkdir(parents=True, exist_ok=True)
    program = program or probe(runtime)
    shutil.copy(program, folder / program.name)
    (folder / "decloud.toml").write_text(
        f'name = "{name}"\nruntime = "{runtime}"\nentry = "{program.name}"\nprice = "0.001"\n{toml}\n'
        f'[limits]\nwall = "3s"\n{limits}\n')
    return folder


def in_threads(count, action):
    """Runs action(0…count-1) at once; results in order, the first exception raised."""
    results = [None] * count
    problems = []

    def run(index):
        try:
            results[index] = action(index)
        except BaseException as problem:  # noqa: BLE001
            problems.append(problem)

    threads = [threading.Thread(target=run, args=(index,)) for index in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if problems:
        raise problems[0]
    return results


def says_what_to_do(response):
    """The body of a refusal: a problem with a detail, and no trace of our insides."""
    expect_equal(response.header("Content-Type"), "application/problem+json", "type of the refusal")
    body = response.json
    expect_equal(body["status"], response.status, "status in the body")
    expect(len(body["detail"]) > 10, f"no detail in {body}")
    expect(not re.search(r"/(work|tmp|home|root)/", response.text), f"a path of the provider's machine in {body}")
    return body
