import * as vscode from "vscode";
import { choiceText } from "./messageText.ts";

/** A key that was meant for what stood here a moment ago does nothing. */
const armMs = 500;
/** What fits on a line of the list: the editor cuts what is longer. */
const lineLength = 90;

export interface Choice<Value> {
  readonly label: string;
  readonly description?: string;
  readonly value: Value;
}

export interface ListOf<Value> {
  readonly title: string;
  readonly placeHolder: string;
  /** What is decided on. It stands above the choices, so that Enter alone chooses none of them. */
  readonly lines: readonly string[];
  readonly choices: readonly Choice<Value>[];
}

/** Lets a person read, and then choose; undefined when they leave. For a moment it takes no answer. */
export async function chooseArmed<Value>(list: ListOf<Value>): Promise<Value | undefined> {
  const pick = vscode.window.createQuickPick<Row<Value>>();
  pick.title = choiceText(list.title);
  pick.placeholder = list.placeHolder;
  pick.ignoreFocusOut = true;
  pick.items = [
    ...list.lines.flatMap(wrapped).map(read<Value>),
    separator<Value>(),
    ...list.choices.map(row),
  ];
  const armedAt = performance.now() + armMs;
  try {
    return await new Promise<Value | undefined>((resolve) => {
      pick.onDidHide(() => resolve(undefined));
      pick.onDidAccept(() => {
        const [chosen] = pick.selectedItems;
        if (chosen?.choice === undefined || performance.now() < armedAt) return;
        resolve(chosen.choice.value);
      });
      pick.show();
    });
  } finally {
    pick.dispose();
  }
}

interface Row<Value> extends vscode.QuickPickItem {
  /** Absent for a line that is there to be read. */
  readonly choice?: Choice<Value>;
}

function row<Value>(choice: Choice<Value>): Row<Value> {
  const { label, description = "" } = choice;
  return { label: choiceText(label), description: choiceText(description), choice };
}

function read<Value>(line: string): Row<Value> {
  return { label: line === "" ? " " : line };
}

function separator<Value>(): Row<Value> {
  return { label: "Your answer", kind: vscode.QuickPickItemKind.Separator };
}

/** A line as rows that are seen whole. */
function wrapped(text: string): readonly string[] {
  const line = choiceText(text.replaceAll("\t", "    "));
  const characters = Array.from(line);
  if (characters.length <= lineLength) return [line];
  return Array.from({ length: Math.ceil(characters.length / lineLength) }, (_, at) =>
    characters.slice(at * lineLength, (at + 1) * lineLength).join(""),
  );
}
