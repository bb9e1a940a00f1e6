import type { Action } from "../../src/core/action.ts";
import type { EgressReport, EgressRequest } from "../../src/core/egress.ts";
import { covers } from "../../src/core/egressFit.ts";
import { isReading } from "../../src/core/egressWords.ts";
import type { AboutRequest, WayOut } from "../../src/core/ports.ts";
import type { SandboxProxyRule } from "../../src/core/proxyRule.ts";

/** A way out without a proxy: what a test asks for goes out or is refused by the rules that it has. */
export class FakeWayOut implements WayOut {
  /** What rules allow, as of the next `renew`. */
  allowed: readonly SandboxProxyRule[] = [];
  denied: readonly SandboxProxyRule[] = [];
  /** Rules and once of each `renew`, in order, by name. */
  readonly renewed: string[] = [];
  /** What went out. */
  readonly passed: string[] = [];
  readonly audited: string[] = [];
  known: AboutRequest = { near: null, ready: null };
  #holds: readonly SandboxProxyRule[] = [];
  #refused: EgressReport[] = [];
  #holding: ((request: EgressRequest) => Promise<void>) | null = null;

  async request(
    method: string | null,
    url: string,
    code?: EgressReport["refused"],
  ): Promise<boolean> {
    const { protocol, hostname, port, pathname } = new URL(url);
    const scheme = protocol === "http:" ? "http" : "https";
    const request: EgressRequest = {
      scheme,
      host: hostname,
      port: port === "" ? (scheme === "https" ? 443 : 80) : Number(port),
      method,
      path: method === null ? null : pathname,
    };
    const denied = this.denied.some((rule) => covers(rule, request));
    const passes = !denied && this.#holds.some((rule) => covers(rule, request));
    if (passes && !(await this.#goes(request))) this.#refuse(request, "proxy.held");
    else if (passes) this.passed.push(`${method} ${url}`);
    else this.#refuse(request, code ?? (denied ? "proxy.denied" : "proxy.noRule"));
    return passes;
  }

  async renew(once: readonly SandboxProxyRule[]): Promise<void> {
    this.#holds = [...this.allowed, ...once];
    this.renewed.push(this.#holds.map(({ name }) => name).join(" "));
  }

  hold(holding: ((request: EgressRequest) => Promise<void>) | null): void {
    this.#holding = holding;
  }

  async takeRefused(): Promise<readonly EgressReport[]> {
    const taken = this.#refused;
    this.#refused = [];
    return taken;
  }

  async about(): Promise<AboutRequest> {
    return this.known;
  }

  async decided(action: Action, why: string): Promise<void> {
    this.audited.push(`${action.egress?.method ?? "?"} ${action.egress?.host}: ${why}`);
  }

  async #goes(request: EgressRequest): Promise<boolean> {
    if (isReading(request) || this.#holding === null) return true;
    return this.#holding(request).then(
      () => true,
      () => false,
    );
  }

  #refuse(request: EgressRequest, refused: NonNullable<EgressReport["refused"]>): void {
    this.#refused.push({
      kind: "request",
      request,
      refused,
      rule: null,
      status: null,
      sentBytes: 0,
      receivedBytes: 0,
      injected: [],
      ms: 1,
    });
  }
}
