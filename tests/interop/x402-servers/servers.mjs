// Unmodified x402 servers of versions 1 and 2 with a facilitator, all of them npm's. Reads {rpc, key, payTo} as JSON from
// standard input, prints {v1, v2} (where they listen) when they do, and ends when its standard input does.
import { x402Facilitator } from "@x402/core/facilitator";
import { HTTPFacilitatorClient } from "@x402/core/server";
import { toFacilitatorEvmSigner } from "@x402/evm";
import { registerExactEvmScheme } from "@x402/evm/exact/facilitator";
import { ExactEvmScheme } from "@x402/evm/exact/server";
import { paymentMiddleware as paymentMiddleware2, x402ResourceServer } from "@x402/express";
import express from "express";
import { createWalletClient, http, publicActions } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { baseSepolia } from "viem/chains";
import { settle, verify } from "x402/facilitator";
import { paymentMiddleware as paymentMiddleware1 } from "x402-express";
import { createInterface } from "node:readline";

const NETWORK = "eip155:84532";

const lines = createInterface({ input: process.stdin });
lines.on("close", () => process.exit(0));
const { rpc, key, payTo } = JSON.parse(await new Promise((resolve) => lines.once("line", resolve)));

const account = privateKeyToAccount(key);
const wallet = createWalletClient({ account, chain: baseSepolia, transport: http(rpc), pollingInterval: 200 })
  .extend(publicActions);

async function listen(app) {
  const server = await new Promise((resolve) => {
    const started = app.listen(0, "127.0.0.1", () => resolve(started));
  });
  return `http://127.0.0.1:${server.address().port}`;
}

async function startFacilitator() {
  const second = new x402Facilitator();
  registerExactEvmScheme(second, {
    signer: toFacilitatorEvmSigner({ ...wallet, address: account.address }),
    networks: NETWORK,
  });
  const app = express();
  app.use(express.json({ limit: "1mb" }));
  const answer = (first, later) => async (request, response) => {
    const { paymentPayload, paymentRequirements } = request.body;
    try {
      response.json(paymentPayload.x402Version === 1 ? await first(wallet, paymentPayload, paymentRequirements)
        : await later(paymentPayload, paymentRequirements));
    } catch (error) {
      response.status(500).json({ error: String(error) });
    }
  };
  app.post("/verify", answer(verify, (payload, wanted) => second.verify(payload, wanted)));
  // One account sends for all, and viem gives what is sent at once the same nonce.
  let last = Promise.resolve();
  const inTurn = (act) => (...words) => {
    const mine = last.then(() => act(...words));
    last = mine.catch(() => {});
    return mine;
  };
  app.post("/settle", answer(inTurn(settle), inTurn((payload, wanted) => second.settle(payload, wanted))));
  app.get("/supported", (_, response) => response.json(second.getSupported()));
  return listen(app);
}

function sell(app) {
  app.get("/weather", (request, response) => response.send(`sunny in ${request.query.place}`));
  app.post("/echo", express.raw({ type: () => true, limit: "8mb" }), (request, response) => response.send(request.body));
  app.get("/free", (_, response) => response.send("free"));
  return listen(app);
}

const facilitator = await startFacilitator();

const first = express();
first.use(paymentMiddleware1(payTo, {
  "GET /weather": { price: "$0.002", network: "base-sepolia" },
  "POST /echo": { price: "$0.003", network: "base-sepolia" },
}, { url: facilitator }));

const second = express();
const route = (price) => ({ accepts: { scheme: "exact", price, network: NETWORK, payTo } });
second.use(paymentMiddleware2({ "GET /weather": route("$0.002"), "POST /echo": route("$0.003") },
  new x402ResourceServer(new HTTPFacilitatorClient({ url: facilitator })).register(NETWORK, new ExactEvmScheme())));

console.log(JSON.stringify({ v1: await sell(first), v2: await sell(second) }));
