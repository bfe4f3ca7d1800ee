// A component that does what its path says.
import {
  Fields, OutgoingBody, OutgoingRequest, OutgoingResponse, RequestOptions, ResponseOutparam,
} from "wasi:http/types@0.2.12";
import { handle as sendRequest } from "wasi:http/outgoing-handler@0.2.12";
import { subscribeDuration } from "wasi:clocks/monotonic-clock@0.2.12";

const encoder = new TextEncoder();
const decoder = new TextDecoder();
let calls = 0;

function start(outparam, status = 200, fields = []) {
  const headers = new Fields();
  for (const [name, value] of fields) headers.append(name, encoder.encode(value));
  const response = new OutgoingResponse(headers);
  response.setStatusCode(status);
  const body = response.body();
  ResponseOutparam.set(outparam, { tag: "ok", val: response });
  return { body, stream: body.write() };
}

function finish({ body, stream }, trailers) {
  stream[Symbol.dispose]();
  OutgoingBody.finish(body, trailers);
}

function say(outparam, text, status, fields) {
  const answer = start(outparam, status, fields);
  answer.stream.blockingWriteAndFlush(encoder.encode(text));
  finish(answer);
}

function echo(request, outparam) {
  const answer = start(outparam, 200, [["content-type", "application/octet-stream"]]);
  const body = request.consume();
  const input = body.stream();
  while (true) {
    let data;
    try {
      data = input.blockingRead(4096n);
    } catch {
      break;
    }
    answer.stream.blockingWriteAndFlush(data);
  }
  input[Symbol.dispose]();
  finish(answer);
}

function ticks(outparam) {
  const answer = start(outparam, 200, [["content-type", "text/event-stream"]]);
  for (let number = 1; number <= 20; ++number) {
    answer.stream.blockingWriteAndFlush(encoder.encode(`data: tick ${number}\n\n`));
    subscribeDuration(100_000_000n).block();
  }
  finish(answer);
}

function readAll(body) {
  const input = body.stream();
  const pieces = [];
  try {
    while (true) pieces.push(...input.blockingRead(65536n));
  } catch (error) {
    if (error.payload?.tag !== "closed") throw error;
  }
  input[Symbol.dispose]();
  return decoder.decode(new Uint8Array(pieces));
}

function makeRequest({ scheme = "HTTP", authority, path = "/", method = "post" }) {
  const request = new OutgoingRequest(new Fields());
  request.setMethod({ tag: method });
  request.setScheme({ tag: scheme });
  request.setAuthority(authority);
  request.setPathWithQuery(path);
  return request;
}

function waitFor(future) {
  const ready = future.subscribe();
  ready.block();
  ready[Symbol.dispose]();
  const { val } = future.get();
  if (val.tag === "err") throw { payload: val.val };
  return val.val;
}

// Sends the request that the body describes, and says what came of it.
function outgoing(request, outparam) {
  const wanted = JSON.parse(readAll(request.consume()));
  let answer;
  try {
    const sent = makeRequest(wanted);
    const body = sent.body();
    let options;
    if (wanted.patience) {
      options = new RequestOptions();
      for (const set of ["setConnectTimeout", "setFirstByteTimeout", "setBetweenBytesTimeout"]) {
        options[set](BigInt(wanted.patience) * 1_000_000n);
      }
    }
    const future = sendRequest(sent, options);
    const stream = body.write();
    if (wanted.body) stream.blockingWriteAndFlush(encoder.encode(wanted.body));
    finish({ body, stream });
    if (wanted.leave) {
      const asked = { authority: wanted.authority, path: `/when?${wanted.path}`, method: "get" };
      answer = { left: waitFor(sendRequest(makeRequest(asked), undefined)).status() === 200 };
    } else {
      const response = waitFor(future);
      answer = { status: response.status(), body: readAll(response.consume()) };
    }
  } catch (error) {
    answer = { error: error.payload?.tag ?? String(error) };
  }
  say(outparam, JSON.stringify(answer));
}

// As many requests as its path's query says, none of which is answered, and one more: what comes of that.
function many(request, outparam) {
  const authority = readAll(request.consume());
  const kept = [];
  let answer;
  try {
    const send = () => sendRequest(makeRequest({ authority, path: "/held", method: "get" }), undefined);
    for (let i = Number(request.pathWithQuery().split("?")[1]); i > 0; --i) kept.push(send());
    answer = { status: waitFor(send()).status() };
  } catch (error) {
    answer = { error: error.payload?.tag ?? String(error) };
  }
  say(outparam, JSON.stringify(answer));
}

// Passes what it gets on, and what comes back, piece by piece.
function relay(request, outparam) {
  const sent = makeRequest({ authority: request.pathWithQuery().split("?")[1] });
  const body = sent.body();
  const future = sendRequest(sent, undefined);
  const pass = (input, output) => {
    try {
      while (true) output.blockingWriteAndFlush(input.blockingRead(4096n));
    } catch (error) {
      if (error.payload?.tag !== "closed") throw error;
    }
    input[Symbol.dispose]();
  };
  const stream = body.write();
  pass(request.consume().stream(), stream);
  finish({ body, stream });
  const answer = start(outparam);
  pass(waitFor(future).consume().stream(), answer.stream);
  finish(answer);
}

async function fetched(request, outparam) {
  const url = readAll(request.consume());
  let text;
  try {
    const answer = await fetch(url, { method: "POST", body: "by fetch" });
    text = `${answer.status} ${await answer.text()}`;
  } catch (error) {
    text = `refused: ${error}`;
  }
  say(outparam, text);
}

function grow() {
  const kept = [];
  while (true) kept.push(new Uint8Array(1 << 20).fill(7));
}

function flood(outparam) {
  const answer = start(outparam);
  const piece = new Uint8Array(4096);
  while (true) answer.stream.blockingWriteAndFlush(piece);
}

function fields(outparam) {
  const kept = [];
  while (true) {
    const headers = new Fields();
    for (let i = 0; i < 100; ++i) headers.append("x", new Uint8Array(200).fill(97));
    kept.push(headers);
  }
}

export const incomingHandler = {
  handle(request, outparam) {
    calls += 1;
    const [path] = request.pathWithQuery().split("?");
    const headers = () => request.headers().entries().map(([name, value]) => [name, new TextDecoder().decode(value)]);
    switch (path) {
      case "/": return say(outparam, "hello\n");
      case "/cookies": return say(outparam, "", 201, [["set-cookie", "a=1"], ["set-cookie", "b=2"], ["x-own", "yes"]]);
      case "/request": return say(outparam, JSON.stringify({
        method: request.method().tag, path: request.pathWithQuery(), headers: headers(),
      }));
      case "/count": return say(outparam, `${calls}\n`);
      case "/echo": return echo(request, outparam);
      case "/ticks": return ticks(outparam);
      case "/outgoing": return outgoing(request, outparam);
      case "/many": return many(request, outparam);
      case "/relay": return relay(request, outparam);
      case "/fetch": return fetched(request, outparam);
      case "/spin": while (true);
      case "/sleep": return subscribeDuration(3_600_000_000_000n).block();
      case "/grow": return grow();
      case "/flood": return flood(outparam);
      case "/fields": return fields(outparam);
      case "/deep": { const down = (n) => down(n + 1) + 1; return down(0); }
      case "/nothing": return undefined;
      case "/error": console.error("these are my last words"); throw new Error("it broke");
    }
    return say(outparam, "what?\n", 404);
  },
};
