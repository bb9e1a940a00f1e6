import type { SecretSpan } from "./secretSpan.ts";

const space = String.raw`(?:\s|\\[nrt]){1,16}`;

/** A value that only stands for a secret: of a template, a shell variable, stars, an ellipsis. */
export function isPlaceholder(value: string): boolean {
  return /^(?:[$<{]|%(?![0-9A-F]{2})|\.\.\.|[*xX•._-]+$|(?:your|my|the)[-_ ])|\$\{|\{\{/i.test(
    value,
  );
}

/** What is a secret because of what stands around it, whatever it looks like itself. */
export function framedSecrets(text: string): SecretSpan[] {
  return [
    ...privateKeys(text),
    ...encodedPrivateKeys(text),
    ...urlCredentials(text),
    ...bearers(text),
    ...basics(text),
    ...netrc(text),
  ];
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

/** The password in a URL, and a user's name in it that is long enough to be a token. */
function urlCredentials(text: string): SecretSpan[] {
  const spans: SecretSpan[] = [];
  for (const { index, 0: all, 1: info = "" } of text.matchAll(
    /:\/\/([^\s/?#"'<>`\\@]{1,1024})@/g,
  )) {
    const start = index + all.length - 1 - info.length;
    const colon = info.indexOf(":");
    const secret = info.slice(colon + 1);
    const told = colon === -1 ? /^(?=.*\d)(?=.*[a-z])\w{20,}$/i.test(secret) : secret !== "";
    if (!told || isPlaceholder(secret) || example.test(info)) continue;
    spans.push({ start: start + colon + 1, end: start + info.length, kind: "url credentials" });
  }
  return spans;
}

/** `Bearer` and a token, which prose about bearer tokens has not. */
function bearers(text: string): SecretSpan[] {
  const spans: SecretSpan[] = [];
  for (const { index, 0: all, 1: value = "" } of text.matchAll(
    /(?<![A-Za-z0-9])bearer(?:[ \t]{1,8}|%20|\+)([\w.~+/=-]+)/gi,
  )) {
    const told = value.length >= 32 || (value.length >= 8 && /\d.*\d/.test(value));
    const end = index + all.length;
    if (told && !isPlaceholder(value))
      spans.push({ start: end - value.length, end, kind: "authorization" });
  }
  return spans;
}

/** `Basic` and what is a name and a password once it is decoded. */
function basics(text: string): SecretSpan[] {
  const spans: SecretSpan[] = [];
  for (const { index, 0: all, 1: value = "" } of text.matchAll(
    /(?<![A-Za-z0-9])basic(?:[ \t]{1,8}|%20|\+)([A-Za-z0-9+/_-]+={0,2})/gi,
  )) {
    const end = index + all.length;
    const decoded = Buffer.from(value, "base64").toString("utf8");
    if (value.length >= 6 && /^[^:\p{Cc}\uFFFD]*:[^\p{Cc}\uFFFD]*$/u.test(decoded))
      spans.push({ start: end - value.length, end, kind: "authorization" });
  }
  return spans;
}

const netrcEntry = new RegExp(
  `(?<![A-Za-z0-9])(?:machine${space}[^\\s\\\\]{1,253}|default)${space}` +
    `(?:(?:login|account)${space}[^\\s\\\\]{1,256}${space}){0,2}password${space}([^\\s\\\\"']+)`,
  "g",
);

function netrc(text: string): SecretSpan[] {
  return [...text.matchAll(netrcEntry)].map(({ index, 0: all, 1: value = "" }) => {
    const end = index + all.length;
    return { start: end - value.length, end, kind: "netrc password" };
  });
}
