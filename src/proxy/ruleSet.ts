import type { EgressRules } from "../core/egress.ts";
import {
  decideEgress,
  type EgressDecision,
  type EgressHost,
  rulesFor,
} from "../core/egressDecision.ts";
import type { SandboxProxyRule } from "../core/proxyRule.ts";
import { Route, type RouteParts } from "./route.ts";

/** The rules that hold now, and what each of them does. */
export class RuleSet {
  readonly #rules: EgressRules;
  readonly #routes: ReadonlyMap<SandboxProxyRule, Route>;

  /** Throws, naming the rule, for one that asks for what no rule may. */
  constructor(rules: EgressRules, parts: RouteParts) {
    this.#rules = rules;
    this.#routes = new Map(
      rules.allowed.map((rule) => {
        try {
          return [rule, new Route(rule, rules.secrets, parts)];
        } catch (error) {
          const why = error instanceof Error ? error.message : "It cannot be used.";
          throw new Error(`The proxy rule ${rule.name} is wrong. ${why}`, { cause: error });
        }
      }),
    );
  }

  decide(request: EgressHost & { readonly method: string; readonly path: string }): EgressDecision {
    return decideEgress(request, this.#rules);
  }

  routeOf(rule: SandboxProxyRule): Route {
    const route = this.#routes.get(rule);
    if (route === undefined) throw new Error(`${rule.name} is no rule of this set.`);
    return route;
  }

  /**
   * The route of a tunnel that is not opened: only where all that is known of its host is not to
   * be opened, for nothing that is judged by a method or a path may hide in it.
   */
  passThrough(host: EgressHost): Route | null {
    const allowed = rulesFor(host, this.#rules.allowed);
    const [first] = allowed;
    if (first === undefined || allowed.some(({ passThrough }) => passThrough !== true)) return null;
    return rulesFor(host, this.#rules.denied).length === 0 ? this.routeOf(first) : null;
  }

  /** Whether a rule allows anything at all there. */
  knows(host: EgressHost): boolean {
    return rulesFor(host, this.#rules.allowed).length > 0;
  }

  /** No request begins by these rules any more. */
  retire(): void {
    for (const route of this.#routes.values()) route.retire();
  }
}
