import type { FromPanel, PanelWait, ToPanel } from "../src/protocol.ts";
import { Approval } from "./approval.ts";
import { Batch, batchFrom, likeness } from "./batch.ts";
import { keyOf, placeOf, type Card } from "./card.ts";
import { element } from "./ui/element.ts";
import { registerElements } from "./ui/toolkit.ts";

declare function acquireVsCodeApi(): { postMessage(message: FromPanel): void };

registerElements();

const api = acquireVsCodeApi();
/** By the keys of the waits that each shows. */
const cards = new Map<string, Card>();
/** Cards that went with an answer under way, which may still come back as refused. */
const gone = new Set<Card>();
/** Alike waits that the operator wants one by one. */
const singly = new Set<string>();
let last: readonly PanelWait[] = [];
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
      refuse(data);
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
  last = waits;
  const focused = list.contains(document.activeElement);
  const open = new Set(waits.map(keyOf));
  const underWay = [...cards.values()].filter(
    (card) => card.sent && card.keys.some((key) => open.has(key)),
  );
  const taken = new Set(underWay.flatMap(({ keys }) => keys));
  const wanted = grouped(waits.filter((wait) => !taken.has(keyOf(wait))));
  const stale = [...cards].filter(([name, card]) => !wanted.has(name) && !underWay.includes(card));
  for (const [name, card] of stale) {
    const isOver = !card.keys.some((key) => open.has(key));
    if (card.refused && isOver) card.close(() => remove(name, card));
    else remove(name, card);
  }
  const added = [...wanted].map(([name, group]) => update(name, group)).includes(true);
  if (added || stale.length > 0) for (const card of cards.values()) card.arm();
  empty.hidden = cards.size > 0;
  const lost = focused && !list.contains(document.activeElement);
  if (focus || lost) cards.values().next().value?.element.focus();
}

/** Gives true for a card that was not there. */
function update(name: string, group: readonly PanelWait[]): boolean {
  const known = cards.get(name);
  known?.update(group);
  if (known !== undefined) return false;
  const card = cardOf(group);
  cards.set(name, card);
  list.append(card.element);
  news.replaceChildren(element("span", "", `Waits for you: ${group[0]?.record.question ?? ""}`));
  return true;
}

/** The waits of each card, by the name of the card, in order. */
function grouped(waits: readonly PanelWait[]): ReadonlyMap<string, readonly PanelWait[]> {
  const alike = new Map<string, PanelWait[]>();
  for (const wait of waits) {
    const like = singly.has(keyOf(wait)) ? null : likeness(wait);
    const name = like ?? keyOf(wait);
    alike.set(name, [...(alike.get(name) ?? []), wait]);
  }
  const groups = [...alike.values()].flatMap((group) =>
    group.length >= batchFrom ? [group] : group.map((wait) => [wait]),
  );
  return new Map(groups.map((group) => [group.map(keyOf).join("\n\n"), group]));
}

function send(message: FromPanel): void {
  api.postMessage(message);
}

function cardOf(group: readonly PanelWait[]): Card {
  const [wait] = group;
  if (group.length === 1 && wait !== undefined) return new Approval(wait, send);
  return new Batch(group, send, () => {
    for (const each of group) singly.add(keyOf(each));
    show(last, true);
  });
}

/** Somebody else was first: the card may be off the list before its answer comes back. */
function refuse({ session, wait, sentence, nonce }: Extract<ToPanel, { kind: "refused" }>): void {
  const place = placeOf(session, wait);
  const isOn = (card: Card): boolean => card.keys.some((key) => key.startsWith(`${place}\n`));
  const closed = [...gone].find(isOn);
  const card = [...cards.values()].find(isOn) ?? closed;
  const key = card?.keys.find((each) => each.startsWith(`${place}\n`)) ?? "";
  card?.refuse(key, sentence, nonce);
  if (closed === undefined || card !== closed) return;
  gone.delete(closed);
  const name = closed.keys.join("\n\n");
  cards.set(name, closed);
  list.prepend(closed.element);
  closed.close(() => remove(name, closed));
  empty.hidden = true;
}

function remove(name: string, card: Card): void {
  cards.delete(name);
  if (card.sent) gone.add(card);
  card.remove();
  empty.hidden = cards.size > 0;
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
