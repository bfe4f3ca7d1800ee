"""A Kubo node in a folder, by its own program."""

import json
import os
import subprocess

from harness import Failure, ends_with_parent, expect


class Kubo:
    def __init__(self, program, folder, profile=None, config=()):
        self.program = program
        self.environment = {"IPFS_PATH": str(folder), "HOME": str(folder.parent), "PATH": os.environ["PATH"],
                            "IPFS_TELEMETRY": "off", "GOLOG_LOG_LEVEL": "error"}
        self.folder, self.log = folder, folder.parent / f"{folder.name}.log"
        self.process, self.authorization = None, None
        self.run("init", "--profile", "test" + (f",{profile}" if profile else ""))
        for key, value in config:
            self.run("config", "--json", key, json.dumps(value))

    def run(self, *arguments, timeout=60, cwd=None, input=None):
        """What it printed, as bytes."""
        stdin = {"stdin": subprocess.DEVNULL} if input is None else {"input": input}
        secret = [f"--api-auth={self.authorization}"] if self.authorization and self.process else []
        done = subprocess.run([self.program, *secret, *map(str, arguments)], env=self.environment, cwd=cwd,
                              capture_output=True, timeout=timeout, check=False, **stdin)
        expect(done.returncode == 0, lambda: f"ipfs {arguments[:3]}: {done.stderr.decode(errors='replace')[-2000:]}"
                                             f"{self.log_tail()}")
        return done.stdout

    def text(self, *arguments, **options):
        return self.run(*arguments, **options).decode().strip()

    def succeeds(self, *arguments):
        try:
            self.run(*arguments)
        except Failure:
            return False
        return True

    def log_tail(self):
        return self.log.read_text(errors="replace")[-2000:] if self.log.exists() else ""

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [self.program, "daemon"], env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=log, preexec_fn=ends_with_parent)
        for line in self.process.stdout:
            if line.startswith(b"Daemon is ready"):
                return self
        raise AssertionError(f"Kubo's daemon ended: {self.log_tail()}")

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.communicate()
            self.process = None

    def kill(self):
        self.process.kill()
        self.process.communicate()
        self.process = None

    @property
    def api(self):
        """Where its RPC is, on TCP."""
        _, _, address, _, port = (self.folder / "api").read_text().strip().split("/")
        return f"http://{address}:{port}"

    @property
    def gateway(self):
        return (self.folder / "gateway").read_text().strip()
