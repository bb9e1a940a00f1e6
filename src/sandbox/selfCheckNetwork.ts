import type { Finding } from "../core/ports.ts";
import { finding, names } from "./finding.ts";
import type { Facts } from "./selfCheckProbe.ts";
import type { NetworkFacts } from "./sessionNetwork.ts";

/** Judges what a container sees of networks: nothing, or the session's own and no way on. */
export function judgeNetwork(facts: Facts, network: NetworkFacts | null): readonly Finding[] {
  const interfaces = [...(facts.get("interfaces") ?? "").matchAll(/^\s*(\S+):/gm)]
    .map(([, name = ""]) => name)
    .filter((name) => name !== "lo");
  const shown = interfaces.length === 0 ? "lo and no other" : names(interfaces);
  const routes = routesOf(facts.get("routes") ?? "");
  if (network === null) {
    const held = facts.has("interfaces") && interfaces.length === 0;
    const count = routes.length === 0 ? "no route" : `${routes.length} routes`;
    return [
      finding("network.interfaces", "lo and no other", shown, held),
      finding("network.routes", "no route", count, facts.has("routes") && routes.length === 0),
    ];
  }
  const own = `its own network ${network.subnet}`;
  const strange = routes.filter((route) => !isOwn(route, network));
  const toOwn = routes.length > 0 && strange.length === 0;
  return [
    finding("network.interfaces", "one beside lo", shown, interfaces.length === 1),
    finding("network.routes", own, toOwn ? own : names(strange.map(routeWords)), toOwn),
    version6(facts),
    gatewayOf(facts, network),
  ];
}

/** By version 4 alone is it known where a host of the network is. */
function version6(facts: Facts): Finding {
  const others = (facts.get("version6") ?? "")
    .split("\n")
    .filter((line) => line !== "" && !/\slo$/.test(line));
  const none = "no address of version 6";
  const shown = others.length === 0 ? none : names(others.map((line) => line.slice(0, 32)));
  return finding("network.version6", none, shown, others.length === 0);
}

/** Whoever had the gateway's address would answer at once, and could be the host or lead on. */
function gatewayOf(facts: Facts, { gateway }: NetworkFacts): Finding {
  const asked = (facts.get("neighbours") ?? "")
    .split("\n")
    .map((line) => line.split(/\s+/))
    .find(([address]) => address === gateway);
  const wanted = `nobody at ${gateway}`;
  const flags = Number(asked?.[2] ?? Number.NaN);
  const found = Number.isNaN(flags) ? "it was not asked for" : flags === 0 ? wanted : "somebody is";
  return finding("network.gateway", wanted, found, flags === 0);
}

interface Route {
  readonly to: string;
  readonly mask: string;
  readonly by: string;
}

/** One line a route, numbers as the machine has them: interface, destination, gateway, flags, …, mask. */
function routesOf(text: string): readonly Route[] {
  return text
    .trim()
    .split("\n")
    .slice(1)
    .map((line) => {
      const [, to = "", by = "", , , , , mask = ""] = line.trim().split(/\s+/);
      return { to: dotted(to), mask: dotted(mask), by: dotted(by) };
    });
}

function dotted(hex: string): string {
  const bytes = /^[0-9a-f]{8}$/i.test(hex) ? [...Buffer.from(hex, "hex")] : [];
  return bytes.toReversed().join(".");
}

const anywhere = "0.0.0.0";

/** To the network itself, or past its gateway's address, where nobody is. */
function isOwn({ to, mask, by }: Route, { subnet, gateway }: NetworkFacts): boolean {
  if (by !== anywhere) return by === gateway && to === anywhere && mask === anywhere;
  const [start, bits] = subnet.split("/");
  const ones = mask
    .split(".")
    .map((byte) => Number(byte).toString(2))
    .join("")
    .replaceAll("0", "").length;
  return to === start && ones === Number(bits);
}

function routeWords({ to, mask, by }: Route): string {
  return by === anywhere ? `${to}/${mask}` : `${to}/${mask} by ${by}`;
}
