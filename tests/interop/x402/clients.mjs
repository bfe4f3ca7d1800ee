// One call by an unmodified x402 client with its default settings. Reads {client, url, key} as JSON from standard input
// and prints {status, body, receipt}.
import { readFileSync } from "node:fs";
import { createWalletClient, http } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { baseSepolia } from "viem/chains";

const { client, url, key } = JSON.parse(readFileSync(0, "utf8"));
const account = privateKeyToAccount(key);

const clients = {
  async "@x402/fetch"() {
    const { wrapFetchWithPaymentFromConfig } = await import("@x402/fetch");
    const { ExactEvmScheme } = await import("@x402/evm");
    const pay = wrapFetchWithPaymentFromConfig(fetch, {
      schemes: [{ network: "eip155:*", client: new ExactEvmScheme(account) }],
    });
    const answer = await pay(url);
    return [answer.status, await answer.text(), answer.headers.get("x-decloud-receipt")];
  },
  async "x402-fetch"() {
    const { wrapFetchWithPayment } = await import("x402-fetch");
    const wallet = createWalletClient({ account, transport: http(), chain: baseSepolia });
    const answer = await wrapFetchWithPayment(fetch, wallet)(url);
    return [answer.status, await answer.text(), answer.headers.get("x-decloud-receipt")];
  },
  async "@x402/axios"() {
    const { wrapAxiosWithPaymentFromConfig } = await import("@x402/axios");
    const { ExactEvmScheme } = await import("@x402/evm");
    const { default: axios } = await import("axios");
    const api = wrapAxiosWithPaymentFromConfig(axios.create({ responseType: "text" }), {
      schemes: [{ network: "eip155:84532", client: new ExactEvmScheme(account) }],
    });
    const answer = await api.get(url);
    return [answer.status, answer.data, answer.headers["x-decloud-receipt"]];
  },
};

const [status, body, receipt] = await clients[client]();
console.log(JSON.stringify({ status, body, receipt }));
