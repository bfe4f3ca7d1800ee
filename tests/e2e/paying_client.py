"""A client process that pays for calls until it is told to end or is killed: paying_client.py FILE, with JSON as
`faults_test.py` writes it. What it sends and what comes back are lines of its journal before anything else happens.
"""

import json
import os
import signal
import sys
import threading

import http1

STOPPED = threading.Event()
TRY_AGAIN = (429, 503, 507)


class Journal:
    """A line is written by one call, so that a kill leaves whole lines."""

    def __init__(self, path):
        self.descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def note(self, **fields):
        os.write(self.descriptor, (json.dumps(fields) + "\n").encode())

    def answered(self, key, answer):
        self.note(key=key, status=answer.status, receipt=answer.receipt, text="" if answer.status == 200 else answer.text)


def owner_pays(work, journal):
    """Calls as fast as they are answered, on a connection that is kept."""
    number = 0
    request = http1.request_bytes("GET", http1.target_of(work["url"]), work["url"].split("/")[2])
    while not STOPPED.is_set():
        try:
            with http1.Connection(http1.address_of(work["url"]), 20) as connection:
                while not STOPPED.is_set():
                    number += 1
                    key = f"{os.getpid()}-{number}"
                    journal.note(key=key, sent=True)
                    connection.send(request)
                    answer = connection.response()
                    if answer is None or not answer.complete:
                        break
                    journal.answered(key, answer)
        except OSError:
            STOPPED.wait(0.02)


def caller_pays(work, journal, make_header):
    """Each payment is for one request, which is sent with it until there is an answer that will not change."""
    number = 0
    while not STOPPED.is_set():
        number += 1
        key = f"{os.getpid()}-{number}"
        url = f"{work['url']}?{key}"
        header = make_header(url)
        journal.note(key=key, sent=True, url=url, header=header)
        repeats = 2 if number % 5 == 0 else 1
        while repeats and not STOPPED.is_set():
            answer = attempt(url, header)
            if answer is not None:
                journal.answered(key, answer)
            if answer is not None and answer.status not in TRY_AGAIN:
                repeats -= 1
            else:
                STOPPED.wait(0.05)


def attempt(url, header):
    """The answer if there was a whole one."""
    try:
        answer = http1.request(url, "GET", [tuple(header)], timeout=60)
    except OSError:
        return None
    return answer if answer.complete else None


def headers_of(work):
    """Makes the header that pays for a URL."""
    from ethereum import Account
    from harness import Cloud
    import x402_test

    cloud = Cloud(work["home"])
    cloud.info = work["info"]
    payer = Account(work["secret"])
    if work["role"] == "authorization":
        return lambda url: ("OpenCloud-Payment", cloud.authorization(payer, "GET", http1.target_of(url)))
    return lambda _: ("PAYMENT-SIGNATURE", x402_test.sign(cloud, payer, work["row"], 295))


def main(path):
    with open(path) as file:
        work = json.load(file)
    signal.signal(signal.SIGTERM, lambda *_: STOPPED.set())
    journal = Journal(work["journal"])
    if work["role"] == "owner":
        owner_pays(work, journal)
    else:
        caller_pays(work, journal, headers_of(work))


if __name__ == "__main__":
    main(sys.argv[1])
