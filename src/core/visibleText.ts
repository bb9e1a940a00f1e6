import { lookAlikes } from "./lookAlikes.ts";

/** Everything that has no picture of its own, or another one than it seems to have. */
const unseen = /(?![\n\t ])[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Z}\p{Default_Ignorable_Code_Point}\u2800]/gu;

/** Emoji as people write them: what joins and colours them hides nothing. */
const emoji =
  /\u{1F3F4}\u{E0067}\u{E0062}(?:\u{E0065}\u{E006E}\u{E0067}|\u{E0073}\u{E0063}\u{E0074}|\u{E0077}\u{E006C}\u{E0073})\u{E007F}|\p{Extended_Pictographic}(?:\p{Emoji_Modifier}|\uFE0F)?(?:\u200D\p{Extended_Pictographic}(?:\p{Emoji_Modifier}|\uFE0F)?)*|[0-9#*]\uFE0F\u20E3/gu;

/** The wide space of Chinese and Japanese texts, where it stands in one. */
const wideSpace =
  /(?<=[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\u3001-\u303F\uFF01-\uFF65])\u3000|\u3000(?=[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}])/gu;

/** Nothing in it but what a keyboard gives: most texts, and the fast way. */
const plain = /^[\n\t\x20-\x7e]*$/;

const manySpaces = / {61,}|\t{17,}/g;
const manyLines = /(?:^|\n)(?:[ \t]{0,60}\n){10,}/g;

/** More than anybody reads at a glance. */
const longText = 4000;
const mostSaid = 8;

type Kind =
  | "direction"
  | "terminal"
  | "overwrites"
  | "control"
  | "invisible"
  | "space"
  | "lineEnd"
  | "padding"
  | "lookAlike";

interface Mark {
  readonly at: number;
  readonly end: number;
  readonly kind: Kind;
  /** What stands in its place. */
  readonly shown: string;
  /** What it is, where the kind does not say it. */
  readonly name: string;
}

const words: Readonly<Record<Exclude<Kind, "padding" | "lookAlike">, string>> = {
  direction: "marks that turn the reading direction: it runs in another order than it would show",
  terminal: "terminal sequences, which can hide or repaint text",
  overwrites: "characters that overwrite what stands before them",
  control: "control characters",
  invisible: "invisible characters",
  space: "spaces and breaks that are not plain ones",
  lineEnd: "",
};

/**
 * Text as it will run: what cannot be seen, what is drawn like something else and what pushes the
 * rest out of sight stands as its code. Plain text comes back as it is.
 */
export function visibleText(text: string): string {
  let shown = "";
  let from = 0;
  for (const mark of marksOf(text)) {
    if (mark.at < from) continue;
    shown += text.slice(from, mark.at) + mark.shown;
    from = mark.end;
  }
  return shown + text.slice(from);
}

/** What of a text may deceive a reader, a few words each; empty for plain text. */
export function deceptions(text: string): readonly string[] {
  const marks = marksOf(text);
  const found = new Set(
    marks.map((mark) =>
      mark.kind === "padding" || mark.kind === "lookAlike" ? mark.name : words[mark.kind],
    ),
  );
  // The line end of another system is shown, and is no trick.
  found.delete(words.lineEnd);
  if (text.length > longText)
    found.add(`a long text: ${text.length.toLocaleString("en")} characters`);
  const all = [...found];
  if (all.length <= mostSaid) return all;
  return [...all.slice(0, mostSaid), `and ${all.length - mostSaid} more`];
}

function marksOf(text: string): readonly Mark[] {
  const padding = paddingOf(text);
  if (plain.test(text)) return padding;
  const meant = new Set<number>();
  for (const pattern of [emoji, wideSpace]) {
    for (const { 0: match, index } of text.matchAll(pattern)) {
      for (let at = index; at < index + match.length; at += 1) meant.add(at);
    }
  }
  const hidden = [...text.matchAll(unseen)].flatMap(({ 0: character, index }): Mark[] => {
    if (meant.has(index)) return [];
    const end = index + character.length;
    const kind = character === "\r" && text[end] === "\n" ? "lineEnd" : kindOf(character);
    return [{ at: index, end, kind, shown: codeOf(character), name: "" }];
  });
  const alike = lookAlikes(text).map(({ at, character, name }): Mark => {
    const code = codeOf(character);
    return {
      at,
      end: at + character.length,
      kind: "lookAlike",
      shown: code,
      name: `look-alikes: ${name} ${code}`,
    };
  });
  return [...padding, ...hidden, ...alike].toSorted((one, two) => one.at - two.at);
}

function paddingOf(text: string): readonly Mark[] {
  const lines = [...text.matchAll(manyLines)].map(({ 0: run, index }) => {
    const what = `${run.split("\n").length - 1} line ends`;
    return padded(index, run, { what, shown: `\n⟨${what}⟩\n` });
  });
  const spaces = [...text.matchAll(manySpaces)].map(({ 0: run, index }) => {
    const what = `${run.length} ${run.startsWith("\t") ? "tabs" : "spaces"}`;
    return padded(index, run, { what, shown: `⟨${what}⟩` });
  });
  return [...lines, ...spaces].toSorted((one, two) => one.at - two.at);
}

function padded(
  at: number,
  run: string,
  { what, shown }: { readonly what: string; readonly shown: string },
): Mark {
  return { at, end: at + run.length, kind: "padding", shown, name: `padding: ${what}` };
}

function kindOf(character: string): Kind {
  if (/[\u061C\u200E\u200F\u202A-\u202E\u2066-\u2069]/u.test(character)) return "direction";
  // eslint-disable-next-line no-control-regex -- these are what it looks for
  if (/[\u001B\u0080-\u009F]/u.test(character)) return "terminal";
  if (character === "\r" || character === "\b" || character === "\u007F") return "overwrites";
  if (/\p{Cc}/u.test(character)) return "control";
  return /\p{Z}/u.test(character) ? "space" : "invisible";
}

function codeOf(character: string): string {
  const code = (character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0");
  return `⟨U+${code}⟩`;
}
