import type { FromPanel, PanelWait } from "../src/protocol.ts";
import { AnswerForm } from "./answerForm.ts";
import { keyOf, type Card } from "./card.ts";
import { facts, titleOf } from "./facts.ts";
import { Folds } from "./folds.ts";
import { Replying, shownOf } from "./replying.ts";
import { TimeLeft } from "./timeLeft.ts";
import { element } from "./ui/element.ts";
import { button, link } from "./ui/toolkit.ts";

/** One card: what is asked, rendered from the record alone, and the controls that answer it. */
export class Approval implements Card {
  readonly element = element("article", "card");
  readonly keys: readonly string[];
  readonly #send: (message: FromPanel) => void;
  readonly #form: AnswerForm;
  readonly #replying = new Replying(this.element);
  readonly #timeLeft: TimeLeft | null;
  readonly #hidden = element("div", "hidden");
  readonly #folds = new Folds(() => this.#showFolds());
  #wait: PanelWait;

  constructor(wait: PanelWait, send: (message: FromPanel) => void) {
    this.#wait = wait;
    this.keys = [keyOf(wait)];
    this.#send = send;
    this.#timeLeft = wait.leftMs === null ? null : new TimeLeft(wait.leftMs);
    this.#form = new AnswerForm(wait, {
      answer: (answer) => this.#reply((shown) => ({ kind: "answer", ...shown, answer })),
      abort: () => this.#reply((shown) => ({ kind: "abort", ...shown })),
      complain: (sentence) => this.#replying.say(sentence),
      changed: () => this.arm(),
    });
    const title = element("h2", "", titleOf(wait));
    title.id = `title-${wait.record.session}-${wait.record.seq}`;
    this.element.append(
      title,
      ...facts(wait, this.#folds),
      this.#origin(),
      ...(this.#timeLeft === null ? [] : [this.#timeLeft.element]),
      this.#hidden,
      this.#form.element,
      this.#replying.status,
    );
    this.element.tabIndex = -1;
    this.element.setAttribute("aria-labelledby", title.id);
    this.element.addEventListener("keydown", (event) => this.#keydown(event));
    this.#showFolds();
  }

  get refused(): boolean {
    return this.#replying.refused;
  }

  get sent(): boolean {
    return this.#replying.sent;
  }

  arm(): void {
    this.#replying.arm();
  }

  update([wait]: readonly PanelWait[]): void {
    if (wait === undefined) return;
    this.#wait = wait;
    if (wait.leftMs !== null) this.#timeLeft?.set(wait.leftMs);
  }

  refuse(_key: string, sentence: string, nonce: string | null): void {
    if (nonce !== null) this.#wait = { ...this.#wait, nonce };
    this.#replying.refuse(sentence);
    this.#form.setEnabled(nonce !== null);
  }

  close(dismiss: () => void): void {
    this.#timeLeft?.stop();
    this.#timeLeft?.element.remove();
    this.#form.element.remove();
    this.#hidden.remove();
    this.#replying.offerDismiss(dismiss);
  }

  remove(): void {
    this.#timeLeft?.stop();
    this.element.remove();
  }

  #origin(): HTMLElement {
    const { goal, record } = this.#wait;
    const replay = link("Open replay", () =>
      this.#send({ kind: "openReplay", session: record.session }),
    );
    return element("p", "origin", [element("span", "goal", `For: ${goal}`), replay.element]);
  }

  /** What is hidden is counted beside the controls, and keeps a yes from being given. */
  #showFolds(): void {
    const { count } = this.#folds;
    this.#form.setWhole(count === 0);
    if (count === 0) {
      this.#hidden.replaceChildren();
      return;
    }
    const parts = count === 1 ? "1 part" : `${count} parts`;
    this.#hidden.replaceChildren(
      element("p", "", `${parts} of what you would approve ${count === 1 ? "is" : "are"} hidden.`),
      button("Show All", "primary", () => this.#folds.openAll()).element,
    );
  }

  #keydown(event: KeyboardEvent): void {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || event.repeat) return;
    event.preventDefault();
    this.#form.chord();
  }

  #reply(message: (shown: ReturnType<typeof shownOf>) => FromPanel): void {
    if (!this.#replying.begin()) return;
    this.#form.setEnabled(false);
    this.#send(message(shownOf(this.#wait)));
  }
}
