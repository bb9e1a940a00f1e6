import type { FromPanel, PanelWait } from "../src/protocol.ts";
import { element } from "./ui/element.ts";
import { button } from "./ui/toolkit.ts";

/** A click that was meant for what stood here a moment ago does nothing. */
const armMs = 500;

type Shown = Omit<Extract<FromPanel, { kind: "abort" }>, "kind">;

/** What every card has in common: when it takes an answer, and what became of one. */
export class Replying {
  readonly status = element("p", "status");
  readonly #card: HTMLElement;
  #armedAt = 0;
  #sent = false;

  constructor(card: HTMLElement) {
    this.#card = card;
    this.status.setAttribute("role", "alert");
    this.arm();
  }

  get refused(): boolean {
    return this.#card.classList.contains("refused");
  }

  get sent(): boolean {
    return this.#sent;
  }

  arm(): void {
    this.#armedAt = performance.now() + armMs;
  }

  /** True when an answer may go out now; then it is taken to be on its way. */
  begin(): boolean {
    if (this.#sent || performance.now() < this.#armedAt) return false;
    this.#sent = true;
    this.#card.classList.remove("refused");
    this.status.textContent = "";
    return true;
  }

  refuse(sentence: string): void {
    this.#sent = false;
    this.#card.classList.add("refused");
    this.say(sentence);
  }

  /** Below the controls, and in sight also where the card is higher than the view. */
  say(sentence: string): void {
    this.status.replaceChildren(element("span", "", sentence));
    this.status.scrollIntoView({ block: "nearest" });
  }

  /** A way to take the card away, once. */
  offerDismiss(dismiss: () => void): void {
    if (this.#card.querySelector(".dismiss") !== null) return;
    const close = button("Dismiss", "secondary", dismiss);
    close.element.classList.add("dismiss");
    this.#card.append(close.element);
  }
}

/** What an answer says of the wait that it is for. */
export function shownOf({ record, nonce }: PanelWait): Shown {
  const { session, wait, digest } = record;
  return { session, wait, digest, nonce };
}
