import type { IncomingMessage, ServerResponse } from "node:http";
import { pipeline } from "node:stream/promises";
import type { EgressRefusal, EgressReport, EgressRequest } from "../core/egress.ts";
import { answerBody, Bounded } from "./answerBody.ts";
import { farewell } from "./farewell.ts";
import type { HeldRequests } from "./heldRequests.ts";
import type { Limits } from "./limits.ts";
import { answerHeaders } from "./messageHeaders.ts";
import { Refusal, refusalAnswer } from "./refusal.ts";
import { understand, type Understood } from "./request.ts";
import type { Route } from "./route.ts";
import type { RuleSet } from "./ruleSet.ts";
import { send } from "./send.ts";
import type { Tunnel } from "./tunnel.ts";

/** What every request needs. */
export interface ExchangeParts {
  readonly rules: RuleSet;
  readonly limits: Limits;
  readonly held: HeldRequests;
  /** Called once for each request, when all is over. */
  readonly report: (report: EgressReport) => void;
}

/** One request of the sandbox: decided, sent, answered and reported. */
export class Exchange {
  readonly #parts: ExchangeParts;
  readonly #message: IncomingMessage;
  readonly #answer: ServerResponse;
  readonly #ending = new AbortController();
  readonly #startedAt = performance.now();
  #request: EgressRequest | null = null;
  #refused: EgressRefusal | null = null;
  #rule: string | null = null;
  #status: number | null = null;
  #injected: readonly string[] = [];
  #sent: Bounded | null = null;
  #received: Bounded | null = null;

  constructor(parts: ExchangeParts, message: IncomingMessage, answer: ServerResponse) {
    this.#parts = parts;
    this.#message = message;
    this.#answer = answer;
  }

  /** Resolves when all is over and reported. `stranger` is why it is not even looked at. Never rejects. */
  async run(tunnel: Tunnel | null, stranger: EgressRefusal | null): Promise<void> {
    const longest = setTimeout(() => {
      this.#refused = "proxy.upstream";
      this.#answer.destroy();
    }, this.#parts.limits.totalMs);
    const closed = new Promise<void>((resolve) => {
      this.#answer.once("close", () => {
        this.#ending.abort();
        resolve();
      });
    });
    try {
      if (stranger !== null) throw new Refusal(stranger);
      const understood = understand(this.#message, tunnel?.host ?? null);
      this.#request = understood.request;
      const hindered = tunnel?.refused ?? null;
      if (hindered !== null) throw new Refusal(hindered);
      if (understood.refused !== null) throw new Refusal(understood.refused);
      await this.#forward(understood);
    } catch (error) {
      if (this.#answer.headersSent) this.#cut(error);
      else this.#refuse(error instanceof Refusal ? error.code : "proxy.upstream");
    }
    await closed;
    clearTimeout(longest);
    this.#report();
  }

  async #forward(understood: Understood): Promise<void> {
    const { rules, limits, held } = this.#parts;
    const { refused, rule } = rules.decide(understood.request);
    this.#rule = rule?.name ?? null;
    if (refused !== null) throw new Refusal(refused);
    const route = rules.routeOf(rule);
    const injected = route.headers;
    if (injected === null) throw new Refusal("proxy.noSecret");
    route.checkHost(understood.request.host);
    const most = rule.requestLimits?.bytes ?? Infinity;
    if ((understood.bodyBytes ?? 0) > most) throw new Refusal("proxy.tooLarge");
    // Who waits for a host is not idle: from here on the host's connection has the times.
    this.#message.socket.setTimeout(0);
    await held.noted(understood.request, rule.name);
    if (this.#message.headers.expect !== undefined) this.#answer.writeContinue();
    const body = new Bounded(most);
    this.#sent = body;
    if (understood.hasBody) this.#message.pipe(body);
    this.#injected = [...injected.keys()];
    const { rawHeaders } = this.#message;
    const { signal } = this.#ending;
    const upstream = await send({ understood, rawHeaders, route, injected, body, limits, signal });
    this.#status = upstream.statusCode ?? null;
    await this.#pass(upstream, understood.request.method, route);
  }

  /** The host's answer to the sandbox. Its reason and its trailers stay here: they can hold anything. */
  async #pass(upstream: IncomingMessage, method: string, { echoes, rule }: Route): Promise<void> {
    const { rawHeaders, statusCode: status = 502 } = upstream;
    const isEmpty = method === "HEAD" || status === 204 || status === 304;
    const { unfoldedBytes } = this.#parts.limits;
    const most = rule.responseLimits?.bytes ?? null;
    const body = answerBody(rawHeaders, { echoes, isEmpty, most, unfoldedBytes });
    if (body.refused !== null) {
      upstream.destroy();
      throw new Refusal(body.refused);
    }
    const whole = echoes === null || isEmpty;
    this.#answer.sendDate = false;
    this.#answer.writeHead(status, answerHeaders(rawHeaders, { echoes, whole }));
    this.#received = body.received;
    await pipeline([upstream, body.received, ...body.stages, this.#answer]);
  }

  /** What was begun is cut off, for its end must not look like one. */
  #cut(error: unknown): void {
    this.#answer.destroy();
    if (error instanceof Refusal) this.#refused = error.code;
    // Otherwise the sandbox has gone away, and nothing was refused.
    else if (!isPrematureClose(error)) this.#refused = "proxy.upstream";
  }

  #refuse(code: EgressRefusal): void {
    const answer = this.#answer;
    // Who went away meanwhile was not refused.
    if (answer.destroyed) return;
    this.#refused = code;
    const { status, headers, body } = refusalAnswer(code, this.#request);
    answer.writeHead(status, [...headers]);
    answer.end(body);
    if (this.#message.complete) return;
    this.#message.unpipe();
    this.#message.resume();
    farewell(this.#message.socket);
  }

  #report(): void {
    this.#parts.report({
      kind: "request",
      request: this.#request,
      refused: this.#refused,
      rule: this.#rule,
      status: this.#status,
      sentBytes: this.#sent?.bytes ?? 0,
      receivedBytes: this.#received?.bytes ?? 0,
      injected: [...this.#injected],
      ms: Math.round(performance.now() - this.#startedAt),
    });
  }
}

function isPrematureClose(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ERR_STREAM_PREMATURE_CLOSE";
}
