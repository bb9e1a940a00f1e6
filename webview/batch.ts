import { alikeName, programOf } from "../src/core/actionWords.ts";
import type { FromPanel, PanelWait } from "../src/protocol.ts";
import { keyOf, type Card } from "./card.ts";
import { callFacts } from "./facts.ts";
import { Folds } from "./folds.ts";
import { Replying, shownOf } from "./replying.ts";
import { element } from "./ui/element.ts";
import { button, textArea, type Control } from "./ui/toolkit.ts";

/** From so many on they are one card: fewer are read one by one. */
export const batchFrom = 3;

/** What makes approvals alike: the same tool and program, or a rule that would cover them. Null for what stands alone. */
export function likeness({ record, facts }: PanelWait): string | null {
  const { subject, session, waitKind } = record;
  if (waitKind !== "approval" || subject.kind !== "tool") return null;
  const { tool, action } = subject;
  const program = programOf(action);
  if (program !== null) return JSON.stringify([session, tool, program]);
  const offer = facts?.grants.at(-1)?.sentence;
  if (offer !== undefined) return JSON.stringify([session, "rule", offer]);
  const isCommand = action === undefined || action.command !== undefined;
  return isCommand ? null : JSON.stringify([session, tool]);
}

/** Alike approvals in one card. Each keeps its own record, and each is answered by itself. */
export class Batch implements Card {
  readonly element = element("article", "card");
  readonly keys: readonly string[];
  readonly #send: (message: FromPanel) => void;
  readonly #replying = new Replying(this.element);
  readonly #form = element("div", "answer");
  readonly #hidden = element("p", "note");
  readonly #folds = new Folds(() => this.#show());
  readonly #single: () => void;
  #waits: readonly PanelWait[];
  #approve: Control | null = null;
  #controls: readonly Control[] = [];

  /** `single` is called when the operator wants a card for each. */
  constructor(waits: readonly PanelWait[], send: (message: FromPanel) => void, single: () => void) {
    this.#waits = waits;
    this.keys = waits.map(keyOf);
    this.#send = send;
    this.#single = single;
    const title = element("h2", "", `${waits.length} alike: ${nameOf(waits)}`);
    const first = waits[0]?.record;
    title.id = `batch-${first?.session}-${first?.seq}`;
    const items = waits.map((wait) => this.#item(wait));
    const goal = element("p", "origin", [element("span", "goal", `For: ${waits[0]?.goal ?? ""}`)]);
    const status = this.#replying.status;
    this.element.append(
      title,
      element("ol", "batch", items),
      goal,
      this.#hidden,
      this.#form,
      status,
    );
    this.element.tabIndex = -1;
    this.element.setAttribute("aria-labelledby", title.id);
    this.#start();
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

  update(waits: readonly PanelWait[]): void {
    this.#waits = waits;
  }

  refuse(key: string, sentence: string, nonce: string | null): void {
    this.#waits = this.#waits.map((wait) =>
      keyOf(wait) === key && nonce !== null ? { ...wait, nonce } : wait,
    );
    this.#replying.refuse(sentence);
    this.#show();
  }

  close(dismiss: () => void): void {
    this.#form.remove();
    this.#hidden.remove();
    this.#replying.offerDismiss(dismiss);
  }

  remove(): void {
    this.element.remove();
  }

  #item(wait: PanelWait): HTMLElement {
    const { runs, rest } = callFacts(wait, this.#folds);
    const about = element("details", "file", [element("summary", "", "About this one"), ...rest]);
    return element("li", "", [...runs, about]);
  }

  #start(): void {
    const count = this.#waits.length;
    const approve = button(`Approve All ${count} Once`, "primary", () => {
      if (this.#folds.count === 0) this.#answerAll(true, "");
    });
    const reject = button("Reject All…", "secondary", () => this.#reject());
    const single = button("Open One by One", "secondary", this.#single);
    this.#step([], approve, [reject, single]);
  }

  #reject(): void {
    const reason = textArea("Why? The model is told (optional)", 2);
    const reject = button("Reject All", "primary", () => this.#answerAll(false, reason.text));
    const back = button("Back", "secondary", () => this.#start());
    this.#step([reason], null, [reject, back]);
    reason.element.focus();
  }

  #step(fields: readonly Control[], approve: Control | null, others: readonly Control[]): void {
    this.#approve = approve;
    this.#controls = [...fields, ...others];
    const buttons = [...(approve === null ? [] : [approve]), ...others];
    this.#form.replaceChildren(
      ...fields.map((control) => control.element),
      element(
        "div",
        "actions",
        buttons.map((control) => control.element),
      ),
    );
    this.arm();
    this.#show();
  }

  #show(): void {
    const { count } = this.#folds;
    for (const control of this.#controls) control.setEnabled(!this.sent);
    this.#approve?.setEnabled(!this.sent && count === 0);
    const parts = count === 1 ? "1 part is" : `${count} parts are`;
    this.#hidden.textContent =
      count === 0 ? "" : `${parts} hidden: show what you would approve first.`;
  }

  #answerAll(approved: boolean, note: string): void {
    if (!this.#replying.begin()) return;
    this.#show();
    for (const wait of this.#waits) {
      this.#send({ kind: "answer", ...shownOf(wait), answer: { approved, note } });
    }
  }
}

function nameOf(waits: readonly PanelWait[]): string {
  const subject = waits[0]?.record.subject;
  return subject?.kind === "tool" ? alikeName(subject.tool, subject.action) : "approvals";
}
