import {
  fromProxy,
  type EgressReport,
  type EgressRequest,
  type EgressRules,
  type FromProxy,
  type ToProxy,
} from "../core/egress.ts";
import { CairnError } from "../core/errors.ts";
import type { ProxyProcess } from "../core/ports.ts";

export interface ProxyEvents {
  report(report: EgressReport): void;
  /** Resolves when it is on record that a request that may change something goes; where it throws, it does not. */
  record(request: EgressRequest, rule: string): Promise<void>;
}

const readyWithinMs = 15_000;
const longestLine = 1024 * 1024;

type Held = Extract<FromProxy, { readonly kind: "holds" }>;
type Settle = (error: CairnError | null) => void;

/** What is said with one proxy, in JSON lines: it is started, told new rules, and reports. */
export class ProxyTalk {
  readonly #proxy: ProxyProcess;
  readonly #events: ProxyEvents;
  /** Who waits for its next answer, in order. */
  readonly #waiting: Settle[] = [];
  #rest = "";
  #over: CairnError | null = null;

  constructor(proxy: ProxyProcess, events: ProxyEvents) {
    this.#proxy = proxy;
    this.#events = events;
    proxy.hear((text) => this.#read(text));
    void proxy.gone.then((said) => this.#end(unavailable(said)));
  }

  /** Resolves when it listens. Throws `proxy.unavailable`. */
  async start(line: Extract<ToProxy, { readonly kind: "start" }>): Promise<void> {
    return this.#say(line);
  }

  /** Resolves when they hold. Throws `proxy.unavailable`. */
  async renew(rules: EgressRules): Promise<void> {
    return this.#say({ kind: "rules", rules });
  }

  /** Resolves when all that it reported before was read. Throws `proxy.unavailable`. */
  async settle(): Promise<void> {
    return this.#say({ kind: "settle" });
  }

  async #say(line: ToProxy): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    try {
      await new Promise<void>((resolve, reject) => {
        timer = setTimeout(() => reject(unavailable("it does not answer")), readyWithinMs);
        this.#waiting.push((error) => (error === null ? resolve() : reject(error)));
        if (this.#over === null) this.#write(line);
        else this.#end(this.#over);
      });
    } finally {
      clearTimeout(timer);
    }
  }

  #read(text: string): void {
    const lines = (this.#rest + text).split("\n");
    this.#rest = (lines.pop() ?? "").slice(0, longestLine);
    for (const line of lines) {
      const parsed = fromProxy.safeParse(json(line));
      if (!parsed.success) continue;
      if (parsed.data.kind === "request") this.#events.report(parsed.data);
      else if (parsed.data.kind === "holds") void this.#decide(parsed.data);
      else this.#waiting.shift()?.(null);
    }
  }

  async #decide({ number, request, rule }: Held): Promise<void> {
    const goes = await this.#events.record(request, rule).then(
      () => true,
      () => false,
    );
    this.#write({ kind: "noted", number, goes });
  }

  #write(line: ToProxy): void {
    this.#proxy.write(`${JSON.stringify(line)}\n`);
  }

  #end(error: CairnError): void {
    this.#over = error;
    for (const settle of this.#waiting.splice(0)) settle(error);
  }
}

function unavailable(said: string): CairnError {
  const reason = said.trim() === "" ? "it ended" : said.trim();
  return new CairnError(
    "proxy.unavailable",
    `The session's proxy cannot be used: ${reason}. Nothing can leave the sandbox; start the session again.`,
  );
}

function json(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return null;
  }
}
