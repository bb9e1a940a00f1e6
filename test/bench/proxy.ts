import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { Agent, type IncomingMessage, request, type RequestListener } from "node:http";
import { connect as connectPlain, type Socket } from "node:net";
import { connect } from "node:tls";
import { RunningProxy } from "../proxy/runningProxy.ts";
import { tunnel } from "../proxy/raw.ts";
import { listening, plainHost, ruleFor, secureHost, worldAuthority } from "../proxy/world.ts";
import { atLeast, atMost, atMostOver, type Measure, median, timed } from "./metric.ts";

const requests = 300;
const warmUp = 50;
const streamed = 128 * 1024 * 1024;
const chunk = Buffer.alloc(64 * 1024, "a line of an archive that is downloaded\n");
const connections = 100;
/** As a session starts it. */
const command = ["--max-semi-space-size=1", "--no-maglev", "dist/proxy.js"];

/** A request that is kept alive, against the same one without a proxy; one stream; and memory. */
export const proxy: Measure = async () => {
  const closing: (() => unknown)[] = [];
  const context = { after: (end: () => unknown): void => void closing.push(end) };
  const plain = await listening(context, plainHost(answering));
  const secure = await listening(context, secureHost(answering));
  const opened = { addresses: ["127.0.0.0/8", "::1"] };
  const headers = { Authorization: "Bearer {{ bench }}" };
  const rules = {
    allowed: [
      ruleFor("localhost", plain, { ...opened, scheme: "http", name: "plain" }),
      ruleFor("127.0.0.1", plain, { ...opened, headers, scheme: "http", name: "redacted" }),
      ruleFor("localhost", secure, opened),
    ],
    denied: [],
    secrets: { bench: "a-secret-of-the-bench-0123456789" },
  };
  const running = await RunningProxy.start(rules, { command });
  closing.push(() => running.end());
  const [viaPlain, viaRedacted, direct, directSecure, inside] = [
    keptAlive(() => connectPlain(running.port, "127.0.0.1")),
    keptAlive(() => connectPlain(running.port, "127.0.0.1")),
    keptAlive(() => connectPlain(plain, "127.0.0.1")),
    keptAlive(() => secured(connectPlain(secure, "127.0.0.1"), worldAuthority.certificate)),
    await tunnelled(running, secure),
  ];
  const redacted = `127.0.0.1:${plain}`;
  const plainHostName = `localhost:${plain}`;
  const secureName = `localhost:${secure}`;
  const took = await inTurns([
    () => get(direct, plainHostName, "/a"),
    () => get(viaPlain, plainHostName, `http://${plainHostName}/a`),
    () => get(directSecure, secureName, "/a"),
    () => get(inside, secureName, "/a"),
  ]);
  const [floor = 0, through = 0, secureFloor = 0, secureThrough = 0] = took;

  const perSecond: number[][] = [[], [], []];
  for (let round = 0; round < 3; round += 1) {
    for (const [way, [agent, host, path]] of [
      [viaPlain, plainHostName, `http://${plainHostName}/stream`] as const,
      [viaRedacted, redacted, `http://${redacted}/stream`] as const,
      [inside, secureName, "/stream"] as const,
    ].entries()) {
      const before = await cpuMs(running);
      await get(agent, host, path);
      perSecond[way]?.push(streamed / 1e6 / (((await cpuMs(running)) - before) / 1000));
    }
  }
  console.log(
    `     plain, redacted, TLS: ${perSecond.map((way) => Math.round(median(way))).join(" ")}`,
  );
  const crowded = await RunningProxy.start(rules, { command });
  closing.push(() => crowded.end());
  const agents: Agent[] = [viaPlain, viaRedacted, direct, directSecure, inside];
  for (let count = 0; count < connections; count += 1) {
    const agent = await tunnelled(crowded, secure);
    agents.push(agent);
    await get(agent, secureName, "/a");
  }
  const status = await readFile(`/proc/${crowded.process.pid ?? 0}/status`, "utf8");
  const rss = Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024;
  for (const agent of agents) agent.destroy();
  for (const end of closing.toReversed()) await end();
  return {
    "proxy.plain.p50_ms": atMostOver(through, floor, { unit: "ms", over: 2 }),
    "proxy.tls.p50_ms": atMostOver(secureThrough, secureFloor, { unit: "ms", over: 5 }),
    "proxy.mb_s": atLeast(Math.min(...perSecond.map(median)), "MB/s", { target: 100 }),
    "proxy.rss_mb": atMost(rss, "MB", 80),
  };
};

const answering: RequestListener = (message, answer) => {
  if (message.url !== "/stream") return answer.end("ok");
  let left = streamed;
  const fill = (): void => {
    while (left > 0) {
      left -= chunk.length;
      if (!answer.write(chunk)) return void answer.once("drain", fill);
    }
    answer.end();
  };
  return fill();
};

/** Of the proxy, so that neither its client nor others on the machine count. */
async function cpuMs(running: RunningProxy): Promise<number> {
  const stat = await readFile(`/proc/${running.process.pid ?? 0}/stat`, "utf8");
  const [user, system] = stat.slice(stat.lastIndexOf(")")).split(" ").slice(12, 14).map(Number);
  // Ticks are a hundredth of a second.
  return ((user ?? 0) + (system ?? 0)) * 10;
}

/** Each of them once a round, so that what else happens on the machine happens to all. */
async function inTurns(works: readonly (() => Promise<void>)[]): Promise<readonly number[]> {
  const took = works.map((): number[] => []);
  for (let round = 0; round < requests + warmUp; round += 1) {
    for (const [index, work] of works.entries()) {
      const ms = await timed(work);
      if (round >= warmUp) took[index]?.push(ms);
    }
  }
  return took.map((each) => median(each));
}

class OneConnection extends Agent {
  readonly #open: () => Socket;

  constructor(open: () => Socket) {
    super({ keepAlive: true, maxSockets: 1 });
    this.#open = open;
  }

  override createConnection(): Socket {
    return this.#open();
  }
}

function keptAlive(open: () => Socket): Agent {
  return new OneConnection(open);
}

async function tunnelled(running: RunningProxy, port: number): Promise<Agent> {
  const { socket } = await tunnel(running, `localhost:${port}`);
  const inside = secured(socket, running.certificate);
  await once(inside, "secureConnect");
  return keptAlive(() => inside);
}

function secured(socket: Socket, ca: string): Socket {
  return connect({ socket, ca, servername: "localhost" });
}

async function get(agent: Agent, host: string, path: string): Promise<void> {
  const asking = request({ agent, path, headers: { Host: host } });
  asking.end();
  const [answer]: IncomingMessage[] = await once(asking, "response");
  if (answer?.statusCode !== 200) throw new Error(`It was answered ${answer?.statusCode ?? 0}.`);
  answer.resume();
  await once(answer, "end");
}
