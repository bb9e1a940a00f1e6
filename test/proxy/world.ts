import { execFile } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type RequestListener } from "node:http";
import { createServer as createSecureServer } from "node:https";
import type { Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { SandboxProxyRule } from "../../src/core/proxyRule.ts";
import { Authority } from "../../src/proxy/authority.ts";
import type { RunningProxy } from "./runningProxy.ts";

/** Who vouches for the hosts of tests; rules name it, nobody else knows it. */
export const worldAuthority = new Authority(Date.now());

/** A host in TLS, with a certificate for whichever name it is asked for, or for one alone. */
export function secureHost(take: RequestListener, as: string | null = null): Server {
  return createSecureServer(
    {
      SNICallback: (name, callback) => callback(null, worldAuthority.contextFor(as ?? name)),
    },
    take,
  );
}

export function plainHost(take: RequestListener): Server {
  return createServer(take);
}

/** A test, or whatever else ends what was begun. */
interface Ending {
  after(end: () => unknown): void;
}

/** Listens on 127.0.0.1 until the test's end; resolves with the port. */
export async function listening(t: Ending, server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.close();
    if ("closeAllConnections" in server && typeof server.closeAllConnections === "function") {
      server.closeAllConnections();
    }
  });
  const address = server.address();
  return typeof address === "object" && address !== null ? address.port : 0;
}

/** A rule for one host of a test, which reads everything unless told otherwise. */
export function ruleFor(
  host: string,
  port: number,
  more: Partial<SandboxProxyRule> = {},
): SandboxProxyRule {
  return {
    name: host.replaceAll(/[^a-z0-9]+/g, "-"),
    hosts: [host],
    ports: [port],
    methods: ["GET"],
    paths: ["/"],
    addresses: ["127.0.0.0/8"],
    ...(more.scheme === "http" || more.passThrough === true
      ? {}
      : { authority: worldAuthority.certificate }),
    ...more,
  };
}

export interface Got {
  /** As curl has it: 0 where there was no answer. */
  readonly status: number;
  readonly head: string;
  readonly body: string;
  readonly errors: string;
}

/** What curl gets through a proxy, whose authority it trusts and nobody else's. */
export async function curl(proxy: RunningProxy, ...words: readonly string[]): Promise<Got> {
  const directory = await mkdtemp(join(tmpdir(), "cairn-curl-"));
  const authorities = join(directory, "authorities.pem");
  await writeFile(authorities, proxy.certificate);
  const usual = ["-q", "-sS", "-m", "10", "-x", `http://127.0.0.1:${proxy.port}`, "--noproxy", ""];
  const more = ["--suppress-connect-headers", "-i", "--cacert", authorities];
  const { stdout, stderr } = await new Promise<{ stdout: Buffer; stderr: Buffer }>((resolve) => {
    execFile(
      "curl",
      [...usual, ...more, ...words],
      { encoding: "buffer", env: { PATH: process.env["PATH"] }, maxBuffer: 64 * 1024 * 1024 },
      (_error, output, errors) => resolve({ stdout: output, stderr: errors }),
    );
  });
  await rm(directory, { recursive: true });
  return { ...answerIn(stdout.toString("latin1")), errors: stderr.toString() };
}

function answerIn(text: string): Omit<Got, "errors"> {
  const end = text.indexOf("\r\n\r\n");
  const head = end === -1 ? text : text.slice(0, end);
  const status = Number(/^HTTP\/\S+ (\d{3})/.exec(head)?.[1] ?? 0);
  if (status === 100) return answerIn(text.slice(end + 4));
  return { status, head, body: end === -1 ? "" : text.slice(end + 4) };
}

/** The code that an answer was refused with; null for one of the host. */
export function refusedWith({ head }: Got): string | null {
  return /^cairn-refused: (\S+)/im.exec(head)?.[1] ?? null;
}
