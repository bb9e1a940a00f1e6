import type { PanelWait } from "../src/protocol.ts";
import { careful } from "./code.ts";
import type { Folds } from "./folds.ts";
import { element } from "./ui/element.ts";

type ApplySubject = Extract<PanelWait["record"]["subject"], { kind: "apply" }>;
type Change = ApplySubject["changes"][number];

/** Diffs that are short together are open from the start. */
const openLines = 60;

/** Changed files with their real diffs; apart from them, what will not be applied and why. */
export function changes(all: readonly Change[], folds: Folds): readonly HTMLElement[] {
  const wanted = all.filter((change) => change.conflict === null);
  const conflicts = all.filter((change) => change.conflict !== null);
  const total = wanted.reduce((sum, change) => sum + hunks(change.diff).length, 0);
  const files = wanted.map((change) => file(change, total <= openLines, folds));
  const warned = careful(
    wanted.map(({ path, diff }) => [path, ...hunks(diff)].join("\n")).join("\n"),
  );
  if (conflicts.length === 0) return [...warned, ...files];
  return [
    ...warned,
    ...files,
    element("h3", "label", "Left as they are"),
    element("ul", "conflicts", conflicts.map(conflictItem)),
  ];
}

/** The lines of a unified diff, coloured and said. */
function diffView(diff: string | null, path: string): HTMLElement {
  if (diff === null) return element("p", "note", "A binary file: its bytes are not shown.");
  const shown = element("div", "diff", hunks(diff).map(diffLine));
  shown.tabIndex = 0;
  shown.setAttribute("role", "group");
  shown.setAttribute("aria-label", `Changes of ${path}`);
  return shown;
}

function file(change: Change, open: boolean, folds: Folds): HTMLElement {
  const lines = hunks(change.diff);
  const added = lines.filter((line) => line.startsWith("+")).length;
  const removed = lines.filter((line) => line.startsWith("-")).length;
  const summary = element("summary", "", [
    element("span", "path", change.path),
    element("span", "note", change.change === "modified" ? "" : change.change),
    element("span", "added", `+${added}`),
    element("span", "removed", `−${removed}`),
  ]);
  const guard =
    change.guard === undefined ? [] : [element("p", "note", `Protected: ${change.guard}.`)];
  const details = element("details", "file", [summary, ...guard]);
  const seen = open
    ? null
    : folds.add(() => {
        details.open = true;
        fill();
      });
  const fill = (): void => {
    if (!details.open) return;
    if (details.childElementCount === 1 + guard.length)
      details.append(diffView(change.binary ? null : (change.diff ?? ""), change.path));
    seen?.();
  };
  details.addEventListener("toggle", fill);
  details.open = open;
  fill();
  return details;
}

function diffLine(line: string): HTMLElement {
  if (line.startsWith("+")) return element("ins", "", line);
  if (line.startsWith("-")) return element("del", "", line);
  return element("span", line.startsWith("@@") ? "hunk" : "", line);
}

function conflictItem({ path, conflict: reason }: Change): HTMLElement {
  return element("li", "", [element("span", "path", path), element("span", "note", reason ?? "")]);
}

/** The lines from the first hunk on: a line before it that begins with `+` or `-` is no change. */
function hunks(text: string | null): readonly string[] {
  if (text === null) return [];
  const lines = text.trimEnd().split("\n");
  const first = lines.findIndex((line) => line.startsWith("@@"));
  return first === -1 ? [] : lines.slice(first);
}
