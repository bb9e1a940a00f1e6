import type { Anchor, Anchored } from "./anchors.ts";
import { isPlaceholder, looksRandom } from "./secretLooks.ts";
import type { SecretSpan } from "./secretSpan.ts";

const space = String.raw`(?:\s|\\[nrt]){1,16}`;

const armor = "-----BEGIN ";
const encodedArmor = "LS0tLS1CRUdJTi";
const quotedAuths = ['auth"', 'auth\\"'];
export const frameAnchors: readonly Anchor[] = [
  { text: armor, offset: 5 },
  { text: encodedArmor },
  { text: "://" },
  { text: "bearer", folded: true },
  { text: "basic", folded: true },
  { text: "machine" },
  { text: "default", offset: 2 },
  ...quotedAuths.map((text) => ({ text })),
];

/**
 * What is a secret because of what stands around it, whatever it looks like itself. `sure` leaves
 * out passwords in URLs that are words, as examples and local databases have them.
 */
export function framedSecrets(text: string, anchors: Anchored, sure: boolean): SecretSpan[] {
  return [
    ...(anchors.of(armor).length === 0 ? [] : privateKeys(text)),
    ...(anchors.of(encodedArmor).length === 0 ? [] : encodedPrivateKeys(text)),
    ...urlCredentials(text, anchors, sure),
    ...bearers(text, anchors, sure),
    ...basics(text, anchors),
    ...dockerAuths(text, anchors),
    ...netrc(text, anchors),
  ];
}

/** What a sticky pattern finds at the anchors; nothing of it is found twice. */
function* at(
  text: string,
  places: readonly number[],
  pattern: RegExp,
): Generator<{ readonly end: number; readonly value: string }> {
  let past = 0;
  for (const place of places) {
    if (place < past) continue;
    pattern.lastIndex = place;
    const match = pattern.exec(text);
    if (match === null) continue;
    past = place + match[0].length;
    yield { end: past, value: match[1] ?? "" };
  }
}

const keyHead = /-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----/g;
const keyTail = /-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----/g;
const keyBody =
  /(?:[\s"'`+,]|\\[nrt\\]){0,64}(?:[A-Za-z0-9+/=]{16}|(?:Proc-Type|DEK-Info|Version|Comment):)/y;
const keyRest = /(?:[A-Za-z0-9+/=\s]+|\\+[nrt])*/y;
/** No key is longer; a last line that is farther away belongs to something else. */
const longestKey = 65_536;

/** From the first line to the last; where the text ends before, all that may be of the key. */
function privateKeys(text: string): SecretSpan[] {
  const spans: SecretSpan[] = [];
  const heads = [...text.matchAll(keyHead)];
  const tails = [...text.matchAll(keyTail)];
  let tail = 0;
  for (const [place, { index, 0: head }] of heads.entries()) {
    const body = index + head.length;
    // Prose names the first line alone.
    keyBody.lastIndex = body;
    if (!keyBody.test(text)) continue;
    while ((tails[tail]?.index ?? Infinity) < body) tail += 1;
    const last = tails[tail];
    const limit = Math.min(body + longestKey, heads[place + 1]?.index ?? Infinity);
    keyRest.lastIndex = body;
    const end =
      last !== undefined && last.index < limit
        ? last.index + last[0].length
        : body + (keyRest.exec(text)?.[0].length ?? 0);
    spans.push({ start: index, end, kind: "private key" });
  }
  return spans;
}

/** The first letters of a PEM private key in base64, as secrets are kept in YAML. */
function encodedPrivateKeys(text: string): SecretSpan[] {
  const head =
    /LS0tLS1CRUdJTi(?:BQUklW|BSU0EgUFJJ|BFQyBQUkl|BPUEVOU1NI|BFTkNSWVBU)[A-Za-z0-9+/=]*/g;
  return [...text.matchAll(head)].map(({ index, 0: all }) => ({
    start: index,
    end: index + all.length,
    kind: "private key",
  }));
}

/** How documentation shows where a name and a password go. */
const example = /^(?:user(?:name)?|login)?:(?:pass(?:word|wd)?|pwd?|secret|token)$/i;

const urlUser = /:\/\/([^\s/?#"'<>`\\@]{1,1024})@/y;

/** The password in a URL, and a user's name in it that is long enough to be a token. */
function urlCredentials(text: string, anchors: Anchored, sure: boolean): SecretSpan[] {
  const spans: SecretSpan[] = [];
  for (const { end, value: info } of at(text, anchors.of("://"), urlUser)) {
    const start = end - 1 - info.length;
    const colon = info.indexOf(":");
    const secret = info.slice(colon + 1);
    const told = colon === -1 ? /^(?=.*\d)(?=.*[a-z])\w{20,}$/i.test(secret) : secret !== "";
    if (!told || isPlaceholder(secret) || example.test(info)) continue;
    if (sure && (secret === info.slice(0, colon) || /^[a-z]{1,11}$/i.test(secret))) continue;
    spans.push({ start: start + colon + 1, end: start + info.length, kind: "url credentials" });
  }
  return spans;
}

const bearer = /(?<![A-Za-z0-9])bearer(?:[ \t]{1,8}|%20|\+)([\w.~+/=-]+)/iy;

/** `Bearer` and a token, which prose about bearer tokens has not. */
function bearers(text: string, anchors: Anchored, sure: boolean): SecretSpan[] {
  const spans: SecretSpan[] = [];
  for (const { end, value } of at(text, anchors.of("bearer"), bearer)) {
    const told = value.length >= 32 || (value.length >= 8 && /\d.*\d/.test(value));
    if (!told || isPlaceholder(value) || (sure && !looksRandom(value))) continue;
    spans.push({ start: end - value.length, end, kind: "authorization" });
  }
  return spans;
}

const basic = /(?<![A-Za-z0-9])basic(?:[ \t]{1,8}|%20|\+)([A-Za-z0-9+/_-]+={0,2})/iy;

/** `Basic` and what is a name and a password once it is decoded. */
function basics(text: string, anchors: Anchored): SecretSpan[] {
  return [...at(text, anchors.of("basic"), basic)]
    .filter(({ value }) => value.length >= 6 && isNameAndPassword(value))
    .map(({ end, value }) => ({ start: end - value.length, end, kind: "authorization" }));
}

const dockerAuth =
  /auth(?:\\{1,4})?"\s{0,8}:\s{0,8}(?:\\{1,4})?"([A-Za-z0-9+/]{8,2048}={0,2})(?=\\{0,4}")/y;

/** How a container engine keeps the name and password of a registry. */
function dockerAuths(text: string, anchors: Anchored): SecretSpan[] {
  const places = quotedAuths.flatMap((anchor) => anchors.of(anchor));
  return [...at(text, places, dockerAuth)]
    .filter(({ value }) => isNameAndPassword(value))
    .map(({ end, value }) => ({ start: end - value.length, end, kind: "docker auth" }));
}

function isNameAndPassword(encoded: string): boolean {
  const decoded = Buffer.from(encoded, "base64").toString("utf8");
  return /^[^:\p{Cc}\uFFFD]*:[^\p{Cc}\uFFFD]*$/u.test(decoded) && !example.test(decoded);
}

const netrcEntry = new RegExp(
  `(?<![A-Za-z0-9])(?:machine${space}[^\\s\\\\]{1,253}|default)${space}` +
    `(?:(?:login|account)${space}[^\\s\\\\]{1,256}${space}){0,2}password${space}([^\\s\\\\"']+)`,
  "y",
);

function netrc(text: string, anchors: Anchored): SecretSpan[] {
  return (["machine", "default"] as const).flatMap((anchor) =>
    Array.from(at(text, anchors.of(anchor), netrcEntry), ({ end, value }): SecretSpan => {
      return { start: end - value.length, end, kind: "netrc password" };
    }),
  );
}
