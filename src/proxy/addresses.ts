import ipaddr from "ipaddr.js";
import { isIPv4, isIPv6 } from "node:net";

type Address = ipaddr.IPv4 | ipaddr.IPv6;
type Network = readonly [address: Address, bits: number];

/** Networks that a rule may open for its own hosts. */
const openable = networks([
  "10.0.0.0/8",
  "100.64.0.0/10",
  "127.0.0.0/8",
  "172.16.0.0/12",
  "192.168.0.0/16",
  "::1/128",
  "fc00::/7",
]);

/** Where clouds keep credentials of their machines: no rule opens these. */
const metadata = networks([
  "100.100.100.200/32",
  "168.63.129.16/32",
  "169.254.0.0/16",
  "192.0.0.192/32",
  "fd00:ec2::/32",
  "fd20:ce::/32",
]);

/** All addresses of version 6 that are given out; NAT64, mapped and other old ways lie elsewhere. */
const global = networks(["2000::/3"]);

/** Reads a network like `10.1.0.0/16` or an address; null for what is none, or is spelled oddly. */
function networkOf(text: string): Network | null {
  const [address = "", bits] = text.split("/");
  const valid = isIPv4(address) || (isIPv6(address) && !address.includes("%"));
  if (!valid) return null;
  const parsed = ipaddr.parse(address);
  const most = parsed.kind() === "ipv4" ? 32 : 128;
  const length = bits === undefined ? most : Number(bits);
  return length <= most ? [parsed, length] : null;
}

function networks(texts: readonly string[]): readonly Network[] {
  return texts.map((text) => {
    const network = networkOf(text);
    if (network === null) throw new Error(`${text} is no network; write it like 10.1.0.0/16.`);
    return network;
  });
}

function isIn(address: Address, all: readonly Network[]): boolean {
  return all.some(([start, bits]) => {
    if (address.kind() !== start.kind()) return false;
    return address.match([start, bits]);
  });
}

/** Which addresses may be dialled. What is closed here nobody can open. */
export class Addresses {
  readonly #closed: readonly Network[];

  /** `closed` are networks beside the usual ones. Throws for what is no network. */
  constructor(closed: readonly string[]) {
    this.#closed = [...metadata, ...networks(closed)];
  }

  /** Whether an address, as a resolver gives it, may be dialled where `opened` are open. */
  isOpen(address: string, opened: OpenedNetworks): boolean {
    const network = networkOf(address);
    if (network === null) return false;
    const [parsed] = network;
    if (isIn(parsed, this.#closed)) return false;
    if (opened.has(parsed)) return true;
    if (parsed.range() !== "unicast") return false;
    return parsed.kind() === "ipv4" || isIn(parsed, global);
  }
}

/** The networks that a rule opens. */
export class OpenedNetworks {
  readonly #networks: readonly Network[];

  /** Throws for what is not private, loopback or shared. */
  constructor(texts: readonly string[]) {
    this.#networks = networks(texts);
    for (const [index, [address, bits]] of this.#networks.entries()) {
      const within = openable.filter(([start, least]) => {
        return start.kind() === address.kind() && bits >= least;
      });
      if (!isIn(address, within)) {
        throw new Error(
          `${texts[index] ?? ""} cannot be opened; name private, loopback or shared networks only.`,
        );
      }
    }
  }

  has(address: Address): boolean {
    return isIn(address, this.#networks);
  }
}
