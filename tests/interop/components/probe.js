// A component that does what its path says.
import {
  Fields, IncomingBody, OutgoingBody, OutgoingRequest, OutgoingResponse, ResponseOutparam,
} from "wasi:http/types@0.2.12";
import { handle as sendRequest } from "wasi:http/outgoing-handler@0.2.12";
import { subscribeDuration } from "wasi:clocks/monotonic-clock@0.2.12";

const encoder = new TextEncoder();
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

function outgoing(outparam) {
  const request = new OutgoingRequest(new Fields());
  request.setScheme({ tag: "HTTP" });
  request.setAuthority("127.0.0.1:80");
  request.setPathWithQuery("/");
  let answer = "sent";
  try {
    const future = sendRequest(request, undefined);
    future.subscribe().block();
    const result = future.get();
    answer = JSON.stringify(result.val.tag === "err" ? result.val.val : "sent");
  } catch (error) {
    answer = JSON.stringify(error.payload ?? String(error));
  }
  say(outparam, answer);
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
      case "/outgoing": return outgoing(outparam);
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
