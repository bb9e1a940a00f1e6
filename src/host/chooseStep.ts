import * as vscode from "vscode";
import * as z from "zod";
import type { SessionView } from "../core/replay.ts";
import { callSummary } from "./callWords.ts";
import { choiceText } from "./messageText.ts";
import { isCheckpoint } from "./replayText.ts";
import { shortened } from "./runs.ts";

const target = z.object({ step: z.string() });

/** The step that a lens or a view handed in, or the one that the person picks; undefined when none. */
export async function chooseStep(
  view: SessionView,
  argument: unknown,
  placeHolder: string,
): Promise<string | undefined> {
  const given = target.safeParse(argument);
  if (given.success) return given.data.step;
  const items = view.turns.flatMap(({ turn, calls }) =>
    calls.filter(isCheckpoint).map((call) => ({
      label: call.kind === "model" ? "Model" : choiceText(call.name),
      description: choiceText(shortened(callSummary(call))),
      detail: turn === 0 ? choiceText(call.step) : `Turn ${turn} · ${call.step}`,
      step: call.step,
    })),
  );
  if (items.length === 0) {
    void vscode.window.showInformationMessage("This session has no step on record yet.");
    return undefined;
  }
  const picked = await vscode.window.showQuickPick(items, {
    placeHolder,
    matchOnDescription: true,
    matchOnDetail: true,
  });
  return picked?.step;
}

/** A step's id as a selector of that one step: without a number it would name every one of its name. */
export function selectorOf(step: string): string {
  return /#\d+$|^turn\/\d+$/.test(step) ? step : `${step}#1`;
}
