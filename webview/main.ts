import type { FromPanel, PanelWait, ToPanel } from "../src/protocol.ts";
import { Approval } from "./approval.ts";
import { element } from "./ui/element.ts";
import { registerElements } from "./ui/toolkit.ts";

declare function acquireVsCodeApi(): { postMessage(message: FromPanel): void };

registerElements();

const api = acquireVsCodeApi();
const cards = new Map<string, Approval>();
/** Cards that went with an answer under way, which may still come back as refused. */
const gone = new Map<string, Approval>();
const news = element("p", "unseen");
const list = element("div", "");
const empty = emptyState();
news.setAttribute("aria-live", "polite");
const heading = element("h1", "unseen", "Approvals");
document.body.append(element("main", "", [heading, news, list, empty]));

window.addEventListener("message", ({ data }: MessageEvent<ToPanel>) => {
  switch (data.kind) {
    case "waits":
      show(data.waits, data.focus);
      break;
    case "refused":
      refuse(keyOf(data.session, data.wait), data.sentence);
      break;
  }
});
document.addEventListener("keydown", ({ key }) => {
  if (key === "Escape" && document.activeElement instanceof HTMLElement) {
    document.activeElement.blur();
  }
});
api.postMessage({ kind: "ready" });

/** Keeps the cards that did not change, with what was typed into them. */
function show(waits: readonly PanelWait[], focus: boolean): void {
  const focused = list.contains(document.activeElement);
  const wanted = new Map(waits.map((wait) => [keyOf(wait.record.session, wait.record.wait), wait]));
  let changed = false;
  for (const [key, card] of cards) {
    if (wanted.get(key)?.record.digest === card.digest) continue;
    changed = true;
    if (card.refused && !wanted.has(key)) card.close(() => remove(key, card));
    else remove(key, card);
  }
  for (const [key, wait] of wanted) {
    const known = cards.get(key);
    known?.update(wait);
    if (known !== undefined) continue;
    changed = true;
    const card = new Approval(wait, (message) => api.postMessage(message));
    cards.set(key, card);
    list.append(card.element);
    news.textContent = `Waits for you: ${wait.record.question}`;
  }
  if (changed) for (const card of cards.values()) card.arm();
  empty.hidden = cards.size > 0;
  const lost = focused && !list.contains(document.activeElement);
  if (focus || lost) cards.values().next().value?.element.focus();
}

/** Somebody else was first: the card may be off the list before its answer comes back. */
function refuse(key: string, sentence: string): void {
  const closed = gone.get(key);
  (cards.get(key) ?? closed)?.refuse(sentence);
  if (closed === undefined) return;
  gone.delete(key);
  cards.set(key, closed);
  list.prepend(closed.element);
  closed.close(() => remove(key, closed));
  empty.hidden = true;
}

function remove(key: string, card: Approval): void {
  cards.delete(key);
  if (card.sent) gone.set(key, card);
  card.remove();
  empty.hidden = cards.size > 0;
}

function keyOf(session: string, wait: string): string {
  return `${session}\n${wait}`;
}

function emptyState(): HTMLElement {
  const demo = element("a", "", "Run Demo Session");
  demo.href = "command:cairn.runDemoSession";
  const start = element("a", "", "New Session");
  start.href = "command:cairn.newSession";
  return element("div", "empty", [
    element("p", "", "Nothing waits for you."),
    element("p", "", [
      new Text("Start with "),
      demo,
      new Text(", which needs no key, or with a "),
      start,
      new Text(". Questions and changes to approve appear here."),
    ]),
  ]);
}
