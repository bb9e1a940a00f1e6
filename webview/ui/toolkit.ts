import {
  provideVSCodeDesignSystem,
  vsCodeButton,
  vsCodeTextArea,
  type Button,
  type TextArea,
} from "@vscode/webview-ui-toolkit";
import { visibleText } from "../../src/core/visibleText.ts";

declare global {
  interface HTMLElementTagNameMap {
    "vscode-button": Button;
    "vscode-text-area": TextArea;
  }
}

/**
 * The one place that knows the toolkit: the rest of the panel gets a button and a field for text.
 * Its badge and its tag are not used: they set style attributes, which the page's policy refuses.
 */
export interface Control {
  readonly element: HTMLElement;
  setEnabled(enabled: boolean): void;
}

export interface TextControl extends Control {
  /** Without the blanks around it. */
  readonly text: string;
  readonly raw: string;
  set(text: string): void;
}

/** Registers the elements that the panel uses. */
export function registerElements(): void {
  provideVSCodeDesignSystem().register(vsCodeButton(), vsCodeTextArea());
}

export function button(
  label: string,
  appearance: "primary" | "secondary",
  onClick: () => void,
): Control {
  const element = document.createElement("vscode-button");
  element.appearance = appearance;
  element.textContent = visibleText(label);
  element.addEventListener("click", onClick);
  return { element, setEnabled: (enabled) => element.toggleAttribute("disabled", !enabled) };
}

/** A command that reads as a part of the text. */
export function link(label: string, onClick: () => void): Control {
  const element = document.createElement("button");
  element.type = "button";
  element.className = "link";
  element.textContent = visibleText(label);
  element.addEventListener("click", onClick);
  return { element, setEnabled: (enabled) => element.toggleAttribute("disabled", !enabled) };
}

export function textArea(label: string, rows: number): TextControl {
  const element = document.createElement("vscode-text-area");
  element.textContent = label;
  element.rows = rows;
  element.setAttribute("resize", "vertical");
  return {
    element,
    get text() {
      return element.value.trim();
    },
    get raw() {
      return element.value;
    },
    set: (text) => {
      element.value = text;
    },
    setEnabled: (enabled) => element.toggleAttribute("disabled", !enabled),
  };
}
