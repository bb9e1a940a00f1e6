import type { FromPanel, PanelWait } from "../src/protocol.ts";
import { changes } from "./changes.ts";
import { element } from "./ui/element.ts";
import { button, textArea, type Control, type TextControl } from "./ui/toolkit.ts";

type Value = Extract<FromPanel, { kind: "answer" }>["answer"];
type Subject<Kind> = Extract<PanelWait["record"]["subject"], { kind: Kind }>;

/** A click that was meant for what stood here a moment ago does nothing. */
const armMs = 500;

/** One card: what is asked, rendered from the record alone, and the controls that answer it. */
export class Approval {
  readonly element: HTMLElement;
  readonly #wait: PanelWait;
  readonly #send: (message: FromPanel) => void;
  readonly #controls: Control[] = [];
  readonly #status = element("p", "status");
  /** What Ctrl+Enter does; null where both answers have consequences. */
  #chord: ((from: EventTarget | null) => Value | null) | null = null;
  #armedAt = 0;
  #sent = false;

  constructor(wait: PanelWait, send: (message: FromPanel) => void) {
    this.#wait = wait;
    this.#send = send;
    this.#status.setAttribute("role", "alert");
    const title = element("h2", "", titleOf(wait));
    title.id = `title-${wait.record.session}-${wait.record.seq}`;
    this.element = element("article", "card", [
      title,
      this.#origin(),
      ...this.#facts(),
      element("div", "answer", this.#answers()),
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

  /** True once a sentence stands on the card that must not vanish unread. */
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

  /** An answer was not taken. */
  refuse(sentence: string): void {
    this.#sent = false;
    this.element.classList.add("refused");
    this.#status.textContent = sentence;
    this.#enable(true);
  }

  /** The wait is not open any more; what was said about it stays until it was read. */
  close(dismiss: () => void): void {
    this.element.querySelector(".answer")?.remove();
    if (this.element.querySelector(".dismiss") !== null) return;
    const close = button("Dismiss", "secondary", dismiss);
    close.element.classList.add("dismiss");
    this.element.append(close.element);
  }

  #origin(): HTMLElement {
    const { goal, record } = this.#wait;
    const replay = element("button", "link", "Open replay");
    replay.type = "button";
    replay.addEventListener("click", () =>
      this.#send({ kind: "openReplay", session: record.session }),
    );
    return element("p", "origin", [element("span", "goal", goal), replay]);
  }

  #facts(): readonly HTMLElement[] {
    const { subject } = this.#wait.record;
    switch (subject.kind) {
      case "tool":
        return toolFacts(subject);
      case "question":
        return [element("p", "question", subject.question)];
      case "apply":
        return changes(subject);
      case "inDoubt":
        return doubtFacts(subject);
    }
  }

  #answers(): readonly HTMLElement[] {
    const { subject } = this.#wait.record;
    switch (subject.kind) {
      case "tool":
      case "apply":
        return this.#decision();
      case "question":
        return this.#question(subject);
      case "inDoubt":
        return this.#doubt();
    }
  }

  #decision(): readonly HTMLElement[] {
    const reason = this.#keep(textArea("Reason, if you reject", 1));
    const decide = (approved: boolean): Value => ({ approved, note: reason.text });
    // In the field for the reason the same chord rejects: nobody writes there to approve.
    this.#chord = (from) => decide(!isWithin(from, reason));
    return [
      reason.element,
      this.#actions([
        button("Approve", "primary", () => this.#answer(decide(true))),
        button("Reject", "secondary", () => this.#answer(decide(false))),
      ]),
    ];
  }

  #doubt(): readonly HTMLElement[] {
    return [
      this.#actions([
        button("Run Again", "secondary", () => this.#answer({ approved: true, note: "" })),
        button("Do Not Repeat", "secondary", () => this.#answer({ approved: false, note: "" })),
      ]),
    ];
  }

  #question({ choices }: Subject<"question">): readonly HTMLElement[] {
    const choiceButtons = choices.map((choice) =>
      button(choice, "secondary", () => this.#answer(choice)),
    );
    const label = choices.length === 0 ? "Your answer" : "Or in your own words";
    const own = this.#keep(textArea(label, 2));
    this.#chord = () => (own.text === "" ? null : own.text);
    const submit = (): void => {
      if (own.text === "") own.element.focus();
      else this.#answer(own.text);
    };
    return [
      ...(choices.length === 0 ? [] : [this.#actions(choiceButtons, "choices")]),
      own.element,
      this.#actions([button("Answer", "primary", submit)]),
    ];
  }

  #actions(controls: readonly Control[], kind = "actions"): HTMLElement {
    this.#controls.push(...controls);
    return element(
      "div",
      kind,
      controls.map((control) => control.element),
    );
  }

  #keep(control: TextControl): TextControl {
    this.#controls.push(control);
    return control;
  }

  #keydown(event: KeyboardEvent): void {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || event.repeat) return;
    event.preventDefault();
    const value = this.#chord?.(event.target) ?? null;
    if (value !== null) this.#answer(value);
  }

  #answer(answer: Value): void {
    if (this.#sent || performance.now() < this.#armedAt) return;
    const { session, wait, digest } = this.#wait.record;
    this.#sent = true;
    this.#enable(false);
    this.element.classList.remove("refused");
    this.#status.textContent = "";
    this.#send({ kind: "answer", session, wait, digest, answer });
  }

  #enable(enabled: boolean): void {
    for (const control of this.#controls) control.setEnabled(enabled);
  }
}

function titleOf({ record }: PanelWait): string {
  switch (record.subject.kind) {
    case "tool":
    case "apply":
      return record.question;
    case "question":
      return "The model asks";
    case "inDoubt":
      return "This may have happened already";
  }
}

function toolFacts({ tool, args, what, where, reason }: Subject<"tool">): readonly HTMLElement[] {
  const exact = element("details", "file", [
    element("summary", "", `Arguments of ${tool}`),
    code(JSON.stringify(args, null, 2)),
  ]);
  return [
    code(what),
    element("p", "note", `Runs in ${where}.`),
    ...(isWhole(args, what) ? [] : [exact]),
    ...(reason === ""
      ? []
      : [element("h3", "label", "The model says"), element("blockquote", "", reason)]),
  ];
}

function doubtFacts({ what, startedAt, operation }: Subject<"inDoubt">): readonly HTMLElement[] {
  const started = new Date(startedAt).toLocaleString();
  return [
    code(what),
    element("p", "note", `Started ${started}. Whether it was done is not on record.`),
    element("p", "note", `Operation ${operation.slice(0, 16)}`),
  ];
}

/** Whether the line that is shown is all that there is to the arguments. */
function isWhole(args: unknown, what: string): boolean {
  return JSON.stringify(args) === JSON.stringify({ command: what });
}

function code(text: string): HTMLElement {
  const shown = element("pre", "", [element("code", "", text)]);
  shown.tabIndex = 0;
  shown.setAttribute("role", "group");
  shown.setAttribute("aria-label", "What will run");
  return shown;
}

function isWithin(target: EventTarget | null, control: Control): boolean {
  return target instanceof Node && control.element.contains(target);
}
