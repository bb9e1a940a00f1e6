import { effectOfPath, type PlaceEffect } from "./places.ts";

/** What a word is for: a number of something, a place that is read, or text that only is compared or shown. */
export type Kind = "number" | "path" | "text";

/** What a program is given, apart from its options: the kind of each, or null for what does not fit. */
export type Operands = (
  words: readonly string[],
  given: ReadonlySet<string>,
) => readonly Kind[] | null;

/** What it comes to that the program runs with these arguments, there. */
export type Judge = (args: readonly string[], cwd: string) => PlaceEffect;

/**
 * `after`: it takes the next word or the rest of its own. `next`: only the next, and stands last in
 * its own. `attached`: only the rest, if there is one.
 */
interface Option {
  readonly value: "none" | "after" | "next" | "attached";
  readonly kind: Kind;
}

interface Given {
  readonly options: ReadonlySet<string>;
  readonly values: readonly (readonly [Kind, string])[];
  readonly operands: readonly string[];
}

const number = /^[+-]?\d+[A-Za-z]{0,3}$/u;
const written = /^(-\w|--[\w-]+)(?:(=|:|\[=)(number|path|text)\]?)?$/u;
const forms: ReadonlyMap<string, Option["value"]> = new Map<string, Option["value"]>([
  ["=", "after"],
  [":", "next"],
  ["[=", "attached"],
]);
const order: readonly PlaceEffect[] = ["reads", "unknown", "device", "secret"];

/** The one of them that matters most. */
export function worst(effects: readonly PlaceEffect[]): PlaceEffect {
  return order[Math.max(0, ...effects.map((effect) => order.indexOf(effect)))] ?? "unknown";
}

/**
 * A program that reads, by all that it may be given. `options` names each as it is typed, and what
 * it takes: `-l --lines=number --color[=text] -I:text -5`. An option that is not named, is shortened or
 * lacks its value makes the command unknown.
 */
export function grammar(options: string, operands: Operands): Judge {
  const known = new Map(options.split(/\s+/u).filter(Boolean).map(readOption));
  return (args, cwd) => {
    const given = read(known, args);
    const kinds = given === null ? null : operands(given.operands, given.options);
    if (given === null || kinds === null) return "unknown";
    const words = given.operands.map((word, index) => [kinds[index] ?? "path", word] as const);
    return worst([...given.values, ...words].map(([kind, word]) => effectOf(kind, word, cwd)));
  };
}

export function effectOf(kind: Kind, word: string, cwd: string): PlaceEffect {
  if (kind === "text") return "reads";
  if (kind === "number") return number.test(word) ? "reads" : "unknown";
  return word === "-" ? "reads" : effectOfPath(word, cwd);
}

function readOption(text: string): readonly [string, Option] {
  const [, name = text, form, kind = "text"] = written.exec(text) ?? [];
  const value = forms.get(form ?? "") ?? "none";
  return [name, { value, kind: kind === "number" || kind === "path" ? kind : "text" }];
}

function read(known: ReadonlyMap<string, Option>, args: readonly string[]): Given | null {
  const options = new Set<string>();
  const values: (readonly [Kind, string])[] = [];
  const operands: string[] = [];
  for (let at = 0; at < args.length; at += 1) {
    const word = args[at] ?? "";
    if (word === "--") {
      operands.push(...args.slice(at + 1));
      break;
    }
    if (word === "-" || !word.startsWith("-")) {
      operands.push(word);
      continue;
    }
    const found = word.startsWith("--") ? readLong(known, word) : readShort(known, word);
    if (found === null) return null;
    for (const name of found.names) options.add(name);
    if (found.takes === null) continue;
    const value = found.value ?? args[(at += 1)];
    if (value === undefined) return null;
    values.push([found.takes, value]);
  }
  return { options, values, operands };
}

interface Found {
  readonly names: readonly string[];
  /** Kind of the value that it takes; null for none. */
  readonly takes: Kind | null;
  /** The value, where it is in the same word. */
  readonly value: string | null;
}

function readLong(known: ReadonlyMap<string, Option>, word: string): Found | null {
  const equals = word.indexOf("=");
  const name = equals === -1 ? word : word.slice(0, equals);
  const option = known.get(name);
  if (option === undefined || (equals !== -1 && option.value === "none")) return null;
  const value = equals === -1 ? null : word.slice(equals + 1);
  const takes = value === null && option.value !== "after" ? null : option.kind;
  return { names: [name], takes, value };
}

function readShort(known: ReadonlyMap<string, Option>, word: string): Found | null {
  if (known.has("-5") && /^-\d+$/u.test(word)) return { names: [], takes: null, value: null };
  const names: string[] = [];
  for (let at = 1; at < word.length; at += 1) {
    const name = `-${word[at]}`;
    const option = known.get(name);
    if (option === undefined) return null;
    names.push(name);
    const rest = word.slice(at + 1);
    if (option.value === "none" || (option.value === "attached" && rest === "")) continue;
    if (option.value === "next" && rest !== "") return null;
    return { names, takes: option.kind, value: rest === "" ? null : rest };
  }
  return { names, takes: null, value: null };
}

/** Places, any number of them. */
export const paths: Operands = (words) => words.map(() => "path");
/** Words that are only shown or compared. */
export const texts: Operands = (words) => words.map(() => "text");
export const nothing: Operands = (words) => (words.length === 0 ? [] : null);

export function atMost(count: number, operands: Operands): Operands {
  return (words, given) => (words.length <= count ? operands(words, given) : null);
}

/** A pattern, unless an option brought it, and then places. */
export const patternThenPaths: Operands = (words, given) =>
  given.has("-e") || given.has("--regexp") || given.has("--files") || given.has("--type-list")
    ? paths(words, given)
    : words.map((_, index) => (index === 0 ? "text" : "path"));
