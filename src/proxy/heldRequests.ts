import type { EgressRequest, FromProxy } from "../core/egress.ts";
import { isReading } from "../core/egressWords.ts";
import { Refusal } from "./refusal.ts";

/** Requests that may change something, while their session puts them on record. */
export class HeldRequests {
  readonly #say: (line: FromProxy) => void;
  readonly #held = new Map<number, (goes: boolean) => void>();
  #count = 0;

  constructor(say: (line: FromProxy) => void) {
    this.#say = say;
  }

  /** Resolves at once for what only reads, else when it is on record. Throws `Refusal` where it is not to go. */
  async noted(request: EgressRequest, rule: string): Promise<void> {
    if (isReading(request)) return;
    const number = (this.#count += 1);
    const goes = await new Promise<boolean>((resolve) => {
      this.#held.set(number, resolve);
      this.#say({ kind: "holds", number, request, rule });
    });
    if (!goes) throw new Refusal("proxy.held");
  }

  settle(number: number, goes: boolean): void {
    this.#held.get(number)?.(goes);
    this.#held.delete(number);
  }
}
