import type { EgressRefusal } from "../core/egress.ts";
import type { EgressHost } from "../core/egressDecision.ts";
import { authorityText } from "./target.ts";

/** Why a request ends here: thrown where only its last part can answer it. Never shown as a failure of ours. */
export class Refusal extends Error {
  override readonly name = "Refusal";
  readonly code: EgressRefusal;

  constructor(code: EgressRefusal, options?: ErrorOptions) {
    super(code, options);
    this.code = code;
  }
}

/** What the sandbox is told, by status and in one sentence. */
interface Words {
  readonly status: number;
  readonly sentence: string;
}

const again = "Run the command again once it is allowed.";

const words: Readonly<Record<EgressRefusal, Words>> = {
  "proxy.noRule": {
    status: 403,
    sentence: `No rule knows this host, scheme and port, so the user is asked about it after this command. ${again}`,
  },
  "proxy.notCovered": {
    status: 403,
    sentence: `A rule knows this host, but not this method and path, so the user is asked about it after this command. ${again}`,
  },
  "proxy.denied": {
    status: 403,
    sentence: "A rule denies this request. Do without it, or ask the user.",
  },
  "proxy.mismatch": {
    status: 421,
    sentence:
      "The address, the Host header, the target of the tunnel and the server name in TLS have to be the same host and port.",
  },
  "proxy.address": {
    status: 403,
    sentence:
      "This host lies at an address that is not one of the open internet, and its rule does not open that network.",
  },
  "proxy.name": {
    status: 502,
    sentence: "This name has no address. Look at its spelling.",
  },
  "proxy.malformed": {
    status: 400,
    sentence:
      "Send a plain HTTP/1.1 request to a host in its usual spelling, with a path that has no dot segments, empty segments or encoded dots and backslashes, and with no change of protocol.",
  },
  "proxy.identity": {
    status: 407,
    sentence: "This proxy belongs to another sandbox and answers to that one only.",
  },
  "proxy.tooLarge": {
    status: 413,
    sentence: "The body is longer than the rule of this host allows. Send or ask for less.",
  },
  "proxy.noSecret": {
    status: 403,
    sentence:
      "The rule of this host needs a secret that is not set or cannot stand in a header. The user has to set it.",
  },
  "proxy.held": {
    status: 403,
    sentence:
      "It may change something, so it has to be on record before it goes. A replay sends no such request, and otherwise the record could not be written.",
  },
  "proxy.upstream": {
    status: 502,
    sentence:
      "The host did not answer in time, or not in HTTP, or not with a certificate that fits its name.",
  },
};

/** The whole answer to a request that was refused. Nothing of the request is in it but its host. */
export function refusalAnswer(
  code: EgressRefusal,
  target: EgressHost | null,
): { readonly status: number; readonly headers: readonly string[]; readonly body: string } {
  const { status, sentence } = words[code];
  const what = target === null ? "this" : `${target.scheme}://${authorityText(target)}`;
  const body = `The proxy refused ${what} (${code}). ${sentence}\n`;
  return {
    status,
    headers: [
      "Cairn-Refused",
      code,
      "Content-Type",
      "text/plain; charset=utf-8",
      "Content-Length",
      String(Buffer.byteLength(body)),
      "Connection",
      "close",
      ...(status === 407 ? ["Proxy-Authenticate", 'Basic realm="cairn"'] : []),
    ],
    body,
  };
}
