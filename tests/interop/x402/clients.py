"""One call by PyPI's unmodified x402 with its default settings. Reads {client, url, key} as JSON from standard input and
prints {status, body, receipt}."""

import asyncio
import json
import sys

from eth_account import Account
from x402.mechanisms.evm import EthAccountSigner
from x402.mechanisms.evm.exact.register import register_exact_evm_client


def told(answer, text):
    print(json.dumps({"status": answer.status_code, "body": text, "receipt": answer.headers.get("x-decloud-receipt")}))


def with_requests(url, account):
    from x402 import x402ClientSync
    from x402.http.clients import x402_requests

    client = x402ClientSync()
    register_exact_evm_client(client, EthAccountSigner(account))
    with x402_requests(client) as session:
        answer = session.get(url)
        told(answer, answer.text)


async def with_httpx(url, account):
    from x402 import x402Client
    from x402.http.clients import x402HttpxClient

    client = x402Client()
    register_exact_evm_client(client, EthAccountSigner(account))
    async with x402HttpxClient(client) as session:
        answer = await session.get(url)
        await answer.aread()
        told(answer, answer.text)


def main():
    settings = json.load(sys.stdin)
    account = Account.from_key(settings["key"])
    if settings["client"] == "requests":
        with_requests(settings["url"], account)
    else:
        asyncio.run(with_httpx(settings["url"], account))


main()
