import type { FromPanel, PanelWait } from "../src/protocol.ts";
import { AnswerForm } from "./answerForm.ts";
import { facts, titleOf } from "./facts.ts";
import { TimeLeft } from "./timeLeft.ts";
import { element } from "./ui/element.ts";
import { button, link } from "./ui/toolkit.ts";

/** A click that was meant for what stood here a moment ago does nothing. */
const armMs = 500;

/** One card: what is asked, rendered from the record alone, and the controls that answer it. */
export class Approval {
  readonly element: HTMLElement;
  readonly #wait: PanelWait;
  readonly #send: (message: FromPanel) => void;
  readonly #form: AnswerForm;
  readonly #status = element("p", "status");
  readonly #timeLeft: TimeLeft | null;
  #armedAt = 0;
  #sent = false;

  constructor(wait: PanelWait, send: (message: FromPanel) => void) {
    this.#wait = wait;
    this.#send = send;
    this.#status.setAttribute("role", "alert");
    this.#timeLeft = wait.leftMs === null ? null : new TimeLeft(wait.leftMs);
    this.#form = new AnswerForm(wait, {
      answer: (answer) => this.#reply((place) => ({ kind: "answer", ...place, answer })),
      abort: () => this.#reply((place) => ({ kind: "abort", ...place })),
      complain: (sentence) => this.#say(sentence),
    });
    const title = element("h2", "", titleOf(wait));
    title.id = `title-${wait.record.session}-${wait.record.seq}`;
    this.element = element("article", "card", [
      title,
      this.#origin(),
      ...facts(wait),
      ...(this.#timeLeft === null ? [] : [this.#timeLeft.element]),
      this.#form.element,
      this.#status,
    ]);
    this.element.tabIndex = -1;
    this.element.setAttribute("aria-labelledby", title.id);
    this.element.addEventListener("keydown", (event) => this.#keydown(event));
    this.arm();
  }

  get digest(): string {
    return this.#wait.record.digest;
  }

  /** True once a sentence of the host stands on the card that must not vanish unread. */
  get refused(): boolean {
    return this.element.classList.contains("refused");
  }

  /** True from the moment that an answer is on its way. */
  get sent(): boolean {
    return this.#sent;
  }

  /** The card has appeared, changed or moved: for a moment it takes no answer. */
  arm(): void {
    this.#armedAt = performance.now() + armMs;
  }

  /** The same wait, said again. */
  update({ leftMs }: PanelWait): void {
    if (leftMs !== null) this.#timeLeft?.set(leftMs);
  }

  /** An answer was not taken. */
  refuse(sentence: string): void {
    this.#sent = false;
    this.element.classList.add("refused");
    this.#form.setEnabled(true);
    this.#say(sentence);
  }

  /** The wait is not open any more; what was said about it stays until it was read. */
  close(dismiss: () => void): void {
    this.#timeLeft?.stop();
    this.#timeLeft?.element.remove();
    this.#form.element.remove();
    if (this.element.querySelector(".dismiss") !== null) return;
    const close = button("Dismiss", "secondary", dismiss);
    close.element.classList.add("dismiss");
    this.element.append(close.element);
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
    return element("p", "origin", [element("span", "goal", goal), replay.element]);
  }

  #keydown(event: KeyboardEvent): void {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || event.repeat) return;
    event.preventDefault();
    this.#form.chord(event.target);
  }

  #reply(
    message: (place: {
      readonly session: string;
      readonly wait: string;
      readonly digest: string;
    }) => FromPanel,
  ): void {
    if (this.#sent || performance.now() < this.#armedAt) return;
    const { session, wait, digest } = this.#wait.record;
    this.#sent = true;
    this.#form.setEnabled(false);
    this.element.classList.remove("refused");
    this.#status.textContent = "";
    this.#send(message({ session, wait, digest }));
  }

  /** Below the controls, and in sight also where the card is higher than the view. */
  #say(sentence: string): void {
    this.#status.textContent = sentence;
    this.#status.scrollIntoView({ block: "nearest" });
  }
}
