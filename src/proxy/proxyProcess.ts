import { lookup } from "node:dns/promises";
import { createInterface } from "node:readline";
import * as z from "zod";
import { toProxy, type ToProxy } from "../core/egress.ts";
import type { EchoesOf } from "./echoes.ts";
import { HeldRequests } from "./heldRequests.ts";
import { type Limits, usualLimits } from "./limits.ts";
import { ProxyServer } from "./proxyServer.ts";
import { Reports } from "./reports.ts";
import type { Resolve } from "./route.ts";

/** What differs from one entry to another. */
export interface ProcessParts {
  readonly echoesOf: EchoesOf;
  readonly resolve?: Resolve;
  readonly limits?: Limits;
}

/**
 * The proxy as a process: lines in, lines out, until the end of its standard input. Rules that
 * cannot be used end it with a sentence on standard error, for without them nothing may go out.
 */
export async function proxyProcess(parts: ProcessParts): Promise<void> {
  const reports = new Reports(1);
  const report = reports.say.bind(reports);
  const held = new HeldRequests(report);
  const { echoesOf, resolve = addressesOf, limits = usualLimits } = parts;
  let server: ProxyServer | null = null;
  for await (const line of createInterface({ input: process.stdin })) {
    const told = toldIn(line);
    if (told.kind === "settle") {
      reports.say({ kind: "settled" });
    } else if (told.kind === "noted") {
      held.settle(told.number, told.goes);
    } else if (told.kind === "rules") {
      if (server === null) throw new Error("The proxy was given rules before its start.");
      server.rule(told.rules);
      reports.say({ kind: "ruled" });
    } else {
      if (server !== null) throw new Error("The proxy was started twice.");
      server = new ProxyServer(told, { resolve, echoesOf, limits, held, report });
      const port = await server.listen();
      reports.say({ kind: "ready", port });
    }
  }
  await server?.close();
}

/** Says what does not fit and where, and quotes nothing: there are secrets beside it. */
function toldIn(line: string): ToProxy {
  const parsed = toProxy.safeParse(jsonOf(line));
  if (parsed.success) return parsed.data;
  throw new Error(`The proxy was given what does not fit. ${z.prettifyError(parsed.error)}`);
}

/** The parser's own sentence would quote the line, and secrets with it. */
function jsonOf(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    throw new Error("The proxy was given a line that is not JSON.");
  }
}

const addressesOf: Resolve = async (name) => {
  const found = await lookup(name, { all: true });
  return found.map(({ address }) => address);
};
