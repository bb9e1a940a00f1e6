import { grantWords, pastWords } from "../src/core/actionWords.ts";
import { deceptions } from "../src/core/visibleText.ts";
import type { PanelWait } from "../src/protocol.ts";
import type { Replies } from "./answerForm.ts";
import { json } from "./code.ts";
import { element } from "./ui/element.ts";
import { button, textArea, type Control } from "./ui/toolkit.ts";

type Offer = NonNullable<PanelWait["facts"]>["grants"][number];
type Decided =
  | "once"
  | "rejected"
  | { readonly args: unknown }
  | { readonly grant: Offer["grant"] };

/** Yes or no to exactly what the card shows. Everything but a plain yes is asked about in a step of its own. */
export class DecisionForm {
  readonly element = element("div", "answer");
  readonly #wait: PanelWait;
  readonly #replies: Replies;
  /** Controls that agree to what the card shows, which are off while a part of it is hidden. */
  #agreeing: readonly Control[] = [];
  #others: readonly Control[] = [];
  #chord: () => void = () => {};
  #isEnabled = true;
  #isWhole = true;

  constructor(wait: PanelWait, replies: Replies) {
    this.#wait = wait;
    this.#replies = replies;
    this.#start();
  }

  /** What Ctrl+Enter does in the step that is open. */
  chord(): void {
    if (this.#isEnabled) this.#chord();
  }

  setEnabled(enabled: boolean): void {
    this.#isEnabled = enabled;
    this.#show();
  }

  /** False while something is folded away that is a part of what runs. */
  setWhole(whole: boolean): void {
    this.#isWhole = whole;
    this.#show();
  }

  #start(): void {
    const { facts, record } = this.#wait;
    const approve = button("Approve Once", "primary", () => this.#decide("once"));
    const wider = (facts?.grants ?? []).map((offer) =>
      button(grantWords[offer.grant], "secondary", () => this.#sure(offer)),
    );
    const canEdit = record.subject.kind === "tool";
    const edit = canEdit ? [button("Edit…", "secondary", () => this.#edit())] : [];
    const reject = button("Reject…", "secondary", () => this.#reject());
    this.#step({
      agreeing: [approve, ...wider],
      others: [...edit, reject],
      chord: () => this.#decide("once"),
    });
  }

  /** The rule of a wider yes is read before it is given. */
  #sure(offer: Offer): void {
    const always = offer.grant !== "session";
    const words = always
      ? "This rule is saved, and holds in this folder from now on:"
      : "This holds for the rest of this session:";
    const label = always ? "Save Rule and Approve" : "Approve for This Session";
    this.#step({
      says: [
        element("p", "", words),
        element("blockquote", "", offer.sentence),
        ...(offer.from === null ? [] : [element("p", "", `From ${offer.from}.`)]),
        element("p", "note", pastWords(offer.past)),
      ],
      agreeing: [button(label, "primary", () => this.#decide({ grant: offer.grant }))],
      others: [this.#back()],
      chord: () => {},
    });
    this.element.focus();
  }

  #reject(): void {
    const reason = textArea("Why? The model is told (optional)", 2);
    const reject = (): void => this.#decide("rejected", reason.text);
    this.#step({
      fields: [reason],
      agreeing: [],
      others: [button("Reject", "primary", reject), this.#back()],
      chord: reject,
    });
    reason.element.focus();
  }

  /** A command is changed as its text, unless it has something in it that a field would not show. */
  #edit(): void {
    const { subject } = this.#wait.record;
    if (subject.kind !== "tool") return;
    const { args, what } = subject;
    const asText =
      JSON.stringify(args) === JSON.stringify({ command: what }) && deceptions(what).length === 0;
    const field = textArea(asText ? "Command" : "Arguments, as JSON", asText ? 3 : 8);
    field.set(asText ? what : escaped(json(args)));
    const approve = (): void => {
      try {
        this.#decide({ args: asText ? { command: field.raw } : JSON.parse(field.raw) });
      } catch (error) {
        field.element.focus();
        const why = error instanceof Error ? error.message : String(error);
        this.#replies.complain(`This is not JSON: ${why}`);
      }
    };
    this.#step({
      fields: [field],
      agreeing: [],
      others: [button("Approve as Changed", "primary", approve), this.#back()],
      chord: approve,
    });
    field.element.focus();
  }

  #back(): Control {
    return button("Back", "secondary", () => {
      this.#start();
      this.#replies.changed();
    });
  }

  #decide(decided: Decided, note = ""): void {
    if (decided === "rejected") this.#replies.answer({ approved: false, note });
    else if (decided === "once") {
      if (this.#isWhole) this.#replies.answer({ approved: true, note });
    } else this.#replies.answer(JSON.parse(JSON.stringify({ approved: true, note, ...decided })));
  }

  #step(step: {
    readonly says?: readonly HTMLElement[];
    readonly fields?: readonly Control[];
    readonly agreeing: readonly Control[];
    readonly others: readonly Control[];
    readonly chord: () => void;
  }): void {
    const { says = [], fields = [], agreeing, others, chord } = step;
    this.#agreeing = agreeing;
    this.#others = [...fields, ...others];
    this.#chord = chord;
    const buttons = [...agreeing, ...others].map((control) => control.element);
    this.element.replaceChildren(
      ...says,
      ...fields.map((control) => control.element),
      element("div", "actions", buttons),
    );
    this.element.tabIndex = -1;
    this.#show();
    this.#replies.changed();
  }

  #show(): void {
    for (const control of this.#agreeing) control.setEnabled(this.#isEnabled && this.#isWhole);
    for (const control of this.#others) control.setEnabled(this.#isEnabled);
  }
}

/** JSON in which everything that a field would not show stands as its escape. */
function escaped(text: string): string {
  return text.replaceAll(/[^\n\x20-\x7e]/g, (unit) => {
    return `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
}
