import type { FromPanel, PanelWait } from "../src/protocol.ts";
import { DecisionForm } from "./decisionForm.ts";
import { element } from "./ui/element.ts";
import { button, link, textArea, type Control, type TextControl } from "./ui/toolkit.ts";

type Value = Extract<FromPanel, { kind: "answer" }>["answer"];

/** What can become of a card's controls. */
export interface Replies {
  readonly answer: (value: Value) => void;
  /** Takes the question back. */
  readonly abort: () => void;
  /** What was typed cannot be sent. */
  readonly complain: (sentence: string) => void;
  /** Other controls stand where a click may just have been meant for the ones before. */
  readonly changed: () => void;
}

/** The controls that answer one wait, by its kind. What an answer means is for the host to say. */
export class AnswerForm {
  readonly element: HTMLElement;
  readonly #replies: Replies;
  readonly #controls: Control[] = [];
  /** What Ctrl+Enter does; null where every answer has consequences of its own. */
  #chord: (() => void) | null = null;
  /** The form of an approval, which has steps. */
  #decision: DecisionForm | null = null;
  #isWhole = true;

  constructor(wait: PanelWait, replies: Replies) {
    this.#replies = replies;
    this.element = element("div", "answer", this.#parts(wait));
  }

  chord(): void {
    this.#decision?.chord();
    if (this.#isWhole) this.#chord?.();
  }

  /** False while something is folded away that is a part of what an answer agrees to. */
  setWhole(whole: boolean): void {
    this.#isWhole = whole;
    this.#decision?.setWhole(whole);
  }

  setEnabled(enabled: boolean): void {
    this.#decision?.setEnabled(enabled);
    for (const control of this.#controls) control.setEnabled(enabled);
  }

  #parts(wait: PanelWait): readonly HTMLElement[] {
    const { subject, waitKind } = wait.record;
    switch (waitKind) {
      case "approval":
        return this.#decide(wait);
      case "budget":
        return this.#budget();
      case "gate":
        return this.#gate();
      case "boolean":
        return this.#yesOrNo();
      case "text":
        return this.#text(subject.kind === "question" ? subject.choices : []);
      case "schema":
        return this.#schema();
      case "inDoubt":
        return this.#doubt(subject.kind === "inDoubt" && subject.result !== undefined);
    }
  }

  #decide(wait: PanelWait): readonly HTMLElement[] {
    this.#decision = new DecisionForm(wait, this.#replies);
    return [this.#decision.element];
  }

  #budget(): readonly HTMLElement[] {
    const decide = (approved: boolean): void => this.#replies.answer({ approved, note: "" });
    this.#chord = () => decide(true);
    return [
      this.#actions([
        button("Add and Go On", "primary", () => decide(true)),
        button("Stop Here", "secondary", () => decide(false)),
      ]),
    ];
  }

  #gate(): readonly HTMLElement[] {
    const open = (): void => this.#replies.answer(true);
    this.#chord = open;
    return [this.#actions([button("Open", "primary", open), this.#takeBack()])];
  }

  #yesOrNo(): readonly HTMLElement[] {
    return [
      this.#actions([
        button("Yes", "secondary", () => this.#replies.answer(true)),
        button("No", "secondary", () => this.#replies.answer(false)),
        this.#takeBack(),
      ]),
    ];
  }

  #text(choices: readonly string[]): readonly HTMLElement[] {
    const choiceButtons = choices.map((choice) =>
      button(choice, "secondary", () => this.#replies.answer(choice)),
    );
    const label = choices.length === 0 ? "Your answer" : "Or in your own words";
    const own = this.#keep(textArea(label, 2));
    const submit = (): void => {
      if (own.text === "") own.element.focus();
      else this.#replies.answer(own.text);
    };
    this.#chord = submit;
    return [
      ...(choices.length === 0 ? [] : [this.#actions(choiceButtons, "choices")]),
      own.element,
      this.#actions([button("Answer", "primary", submit), this.#takeBack()]),
    ];
  }

  #schema(): readonly HTMLElement[] {
    const field = this.#keep(textArea("Your answer, as JSON", 4));
    const submit = (): void => this.#withJson(field, (value) => this.#replies.answer(value));
    this.#chord = submit;
    return [field.element, this.#actions([button("Answer", "primary", submit), this.#takeBack()])];
  }

  /** Four answers and none of them is the usual one, so there is no chord. */
  #doubt(isRead: boolean): readonly HTMLElement[] {
    const label = isRead ? "Another result, as JSON (optional)" : "Its result, as JSON";
    const field = this.#keep(textArea(label, 2));
    const choose = (choice: "runAgain" | "skip" | "stop"): void => this.#replies.answer({ choice });
    const happened = (): void => {
      if (field.text === "" && isRead) this.#replies.answer({ choice: "happened" });
      else {
        this.#withJson(field, (result) => this.#replies.answer({ choice: "happened", result }));
      }
    };
    const hint =
      "Run Again does it once more. Skip goes on and leaves it as it may be. Stop ends the session; a retry asks again.";
    return [
      field.element,
      this.#actions([
        button("It Happened", "secondary", happened),
        button("Run Again", "secondary", () => choose("runAgain")),
        button("Skip", "secondary", () => choose("skip")),
        button("Stop", "secondary", () => choose("stop")),
      ]),
      element("p", "note", hint),
    ];
  }

  #withJson(field: TextControl, use: (value: Value) => void): void {
    if (field.text === "") {
      field.element.focus();
      this.#replies.complain("Type the answer as JSON.");
      return;
    }
    let value: Value;
    try {
      value = JSON.parse(field.text);
    } catch (error) {
      field.element.focus();
      const why = error instanceof Error ? error.message : String(error);
      this.#replies.complain(`This is not JSON: ${why}`);
      return;
    }
    use(value);
  }

  #takeBack(): Control {
    const control = link("Take back the question", () => this.#replies.abort());
    control.element.classList.add("quiet");
    return control;
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
}
