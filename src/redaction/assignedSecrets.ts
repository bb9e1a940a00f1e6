import type { SecretKind } from "../core/redactedMark.ts";
import type { Anchored } from "./anchors.ts";
import { looksRandom } from "./secretLooks.ts";
import { secretWords, speaksOfSecret } from "./secretName.ts";
import type { SecretSpan } from "./secretSpan.ts";
import { isBareSecret, isQuotedSecret } from "./secretValue.ts";

/** After the word: the end of its quotes, a type, then what assigns. Every part has a limit. */
const assigned = new RegExp(
  String.raw`\d{0,3}(?:\\{0,4}["'\x60])?\]?[?!]?` +
    String.raw`(?:[ \t]{0,4}:[ \t]{0,4}[A-Za-z][\w.|<> ]{0,40}?(?==[ \t]{0,4}[bru]?\\{0,4}["'\x60]))?` +
    String.raw`([ \t]{0,16}(?:=>|:=|[:=])(?![=:>])[ \t]{0,16})(?:[bru]?(\\{0,4}["'\x60]))?`,
  "y",
);
const flagged = /[ \t]{1,8}(\\{0,4}["'`])?(?=[^\s=:-])/y;
const flagEnd = /[ \t]{0,8}(?:[\r\n\\"'`;&|-]|$)/y;
const bareValue = /[^\s"'`,;&|<>(){}[\]\\]+/y;
const scheme = /(?:Bearer|Basic|Token|Negotiate|NTLM|Api-?Key)(?:[ \t]+|%20)/iy;
const nameBefore = /(?<![\w.$-])[\w.$-]*$/;
const lineStart =
  /(?:^|\n|\\n)[ \t+>#-]*(?:(?:export|set|setenv|ENV|ARG)[ \t]+)?(?:\\{0,4}["'`])?$/;
const lineEnd = /[.:]?(?:\\{0,4}["'`])?[ \t]{0,8}(?:#[^\n]*)?(?=\r?\n|\\[nr]|$)/y;
const declared =
  /(?<!\w)(?:const|let|var|val|final|static|readonly|public|private|protected|auto|[Ss]tring|str)[ \t]+$/;
/** How much before a name is looked at. */
const before = 64;

/** Where a value begins, and what assigns it. */
interface Assignment {
  readonly kind: SecretKind;
  readonly nameStart: number;
  readonly name: string;
  readonly operator: string;
  readonly quote: string;
  readonly start: number;
}

/**
 * Values that the name before them says are secret, in the ways that files and shells assign.
 * `sure` takes only what looks like a secret by itself, too: code and its tests stay as they are.
 */
export function assignedSecrets(text: string, anchors: Anchored, sure: boolean): SecretSpan[] {
  const spans: SecretSpan[] = [];
  const nextLine = nextPlace((from) => text.indexOf("\n", from));
  const closings = new Map<string, (from: number) => number>();
  let past = 0;
  for (const word of secretWords(text, anchors)) {
    if (word.index < past) continue;
    const assignment = assignmentAt(text, word);
    if (assignment === null) continue;
    const { quote, start } = assignment;
    const closing = closings.get(quote) ?? nextPlace((from) => closingOf(text, quote, from));
    closings.set(quote, closing);
    const end = quote === "" ? Infinity : closing(start);
    const whole = end < (quote.endsWith("`") ? Infinity : nextLine(start));
    const span = whole ? quotedSpan(text, assignment, end) : bareSpan(text, assignment);
    if (span === null) continue;
    if (sure && !isSurely(assignment.name, text.slice(span.start, span.end))) continue;
    spans.push(span);
    past = span.end;
  }
  return spans;
}

/** Tokens that say where a list goes on are nobody's secret, and are sent back as they came. */
const cursor = /(?:page|next|continuation|cursor|sync|start)[_-]?token$/i;

/** Whether a value that its name says is secret looks like one, too. */
export function isSurely(name: string, value: string): boolean {
  return looksRandom(value) && !cursor.test(name);
}

/** Where the secret begins in a value of that kind: after the scheme of a header; null when it is none. */
export function secretStart(kind: SecretKind, value: string): number | null {
  const start = kind === "authorization" ? afterScheme(value, 0) : 0;
  const secret = value.slice(start);
  const told = start > 0 ? isCredential(secret) : isQuotedSecret(kind, secret);
  return told ? start : null;
}

function assignmentAt(
  text: string,
  { index, end, kind }: { index: number; end: number; kind: SecretKind },
): Assignment | null {
  assigned.lastIndex = end;
  const match = assigned.exec(text);
  const lead = nameBefore.exec(text.slice(Math.max(0, index - before), index))?.[0] ?? "";
  const head = { kind, nameStart: index - lead.length, name: lead + text.slice(index, end) };
  if (match !== null) {
    const [all, operator = "", quote = ""] = match;
    return { ...head, operator, quote, start: end + all.length };
  }
  flagged.lastIndex = end;
  const flag = lead.startsWith("-") ? flagged.exec(text) : null;
  if (flag === null) return null;
  const [all, quote = ""] = flag;
  return { ...head, operator: " ", quote, start: end + all.length };
}

function quotedSpan(text: string, { kind, start }: Assignment, end: number): SecretSpan | null {
  const offset = secretStart(kind, text.slice(start, end));
  return offset === null ? null : { start: start + offset, end, kind };
}

/** A value without quotes, or one whose closing quote was cut off. */
function bareSpan(text: string, assignment: Assignment): SecretSpan | null {
  const { kind, nameStart, name, operator, quote } = assignment;
  const start = kind === "authorization" ? afterScheme(text, assignment.start) : assignment.start;
  const headed = start > assignment.start;
  bareValue.lastIndex = start;
  // A sentence may end after it.
  const value = (bareValue.exec(text)?.[0] ?? "").replace(/[.:]$/, "");
  if (value.length < 3) return null;
  const end = start + value.length;
  if (headed) return isCredential(value) ? { start, end, kind } : null;
  if (quote !== "") return isQuotedSecret(kind, value) ? { start, end, kind } : null;
  const lead = text.slice(Math.max(0, nameStart - before), nameStart);
  if (!/^\s*[:=]?\s*$/.test(operator) || declared.test(lead)) return null;
  const flag = operator === " ";
  const after = flag ? flagEnd : lineEnd;
  after.lastIndex = end;
  const wholeLine = (flag || lineStart.test(lead)) && after.test(text);
  const tight = operator === "=";
  const next = text.slice(end, end + 1);
  const told = isBareSecret(value, { kind, name, tight, wholeLine, next });
  return told ? { start, end, kind } : null;
}

function afterScheme(text: string, start: number): number {
  scheme.lastIndex = start;
  return start + (scheme.exec(text)?.[0].length ?? 0);
}

/** What follows a scheme is a secret unless it is the name of one. */
function isCredential(value: string): boolean {
  return value.length >= 6 && !speaksOfSecret(value) && isQuotedSecret("secret", value);
}

/**
 * Where the text in these quotes ends. Quotes inside it have more backslashes: a quote closes with
 * as many as it opened with, or with whole escaped backslashes more.
 */
function closingOf(text: string, quote: string, from: number): number {
  const depth = quote.length - 1;
  let place = text.indexOf(quote.slice(-1), from);
  while (place !== -1) {
    let start = place;
    while (text[start - 1] === "\\") start -= 1;
    if ((place - start) % (2 * quote.length) === depth) return place - depth;
    place = text.indexOf(quote.slice(-1), place + 1);
  }
  return -1;
}

/** The next place of something, Infinity when there is none; reads no part of the text twice. */
function nextPlace(find: (from: number) => number): (from: number) => number {
  let known = -1;
  return (from) => {
    if (known >= from) return known;
    const found = find(from);
    known = found === -1 ? Infinity : found;
    return known;
  };
}
