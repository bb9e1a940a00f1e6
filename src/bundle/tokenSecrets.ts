import type { SecretKind, SecretSpan } from "./secretSpan.ts";

/**
 * Where a token may begin: not inside a word; but after `\n` as JSON writes it inside a text, and
 * after a percent escape, a word has ended although a letter or digit comes before.
 */
const begin = String.raw`(?:(?<![A-Za-z0-9])|(?<=\\[nrtbf])|(?<=%[0-9A-Fa-f]{2})|(?<=\\u[0-9A-Fa-f]{4}))`;

/** At least so many of a class. Written `{n}` and a star, for `{n,}` runs out of stack on megabytes. */
function run(characters: string, least: number): string {
  return `[${characters}]{${least}}[${characters}]*`;
}

const alnum = "A-Za-z0-9";

/**
 * By the prefixes that the providers document; a group is the secret where not all of it is.
 * Every repetition is the last thing in its pattern or has an upper limit, so that no text makes
 * a pattern look again and again at the same characters; a JWT's parts are kept linear by where
 * it may begin.
 */
const documented: readonly (readonly [SecretKind, string])[] = [
  ["anthropic key", `sk-ant-${run(String.raw`\w-`, 16)}`],
  ["openai key", `sk-(?:proj|svcacct|admin|None)-${run(String.raw`\w-`, 20)}`],
  ["openai key", `sk-${run(alnum, 32)}`],
  ["api key", `sk-or-v1-${run("0-9a-f", 32)}`],
  ["github token", `gh[pousr]_${run(alnum, 30)}`],
  ["github token", `github_pat_${run(String.raw`\w`, 22)}`],
  [
    "gitlab token",
    `gl(?:pat|oas|dt|rt|cbt|ptt|ft|imt|agent|soat|ffct)-${run(String.raw`\w.-`, 20)}`,
  ],
  ["slack token", `xox[abceoprs]-${run(`${alnum}-`, 10)}`],
  ["slack token", `(?:xapp|xwfp)-${run(`${alnum}-`, 10)}`],
  [
    "slack token",
    String.raw`hooks\.slack\.com\/(?:services|workflows)\/(${run(String.raw`\w/-`, 20)})`,
  ],
  ["google key", String.raw`AIza[\w-]{35}(?![\w-])`],
  ["google key", `GOCSPX-${run(String.raw`\w-`, 20)}`],
  ["google key", String.raw`ya29\.${run(String.raw`\w.-`, 20)}`],
  ["npm token", `npm_${run(alnum, 36)}`],
  ["stripe key", `(?:sk|rk)_(?:live|test)_${run(alnum, 16)}`],
  ["stripe key", `whsec_${run(String.raw`\w+/=`, 24)}`],
  ["hugging face token", `(?:hf|api_org)_${run(alnum, 30)}`],
  [
    "jwt",
    String.raw`(?<![_-])eyJ${run(String.raw`\w-`, 8)}\.eyJ${run(String.raw`\w-`, 8)}\.[\w-]*`,
  ],
];
const patterns = documented.map(
  ([kind, source]) => [kind, new RegExp(begin + source, "g")] as const,
);

const awsKey = new RegExp(`${begin}(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}(?![A-Za-z0-9])`, "g");
const awsSecret = /(?<![\w/+=])[A-Za-z0-9/+]{40}(?![\w/+=])/g;
/** How far from its key an AWS secret is looked for: a line or two of a file or a table. */
const near = 256;

/** Tokens that give themselves away, and the AWS secret beside an AWS key. */
export function tokenSecrets(text: string): SecretSpan[] {
  const found = patterns.flatMap(([kind, pattern]) =>
    [...text.matchAll(pattern)].map(({ index, 0: all, 1: secret = all }) => {
      const end = index + all.length;
      return { start: end - secret.length, end, kind };
    }),
  );
  return [...found, ...awsSecrets(text)];
}

export function holdsAwsKey(text: string): boolean {
  return text.search(awsKey) !== -1;
}

/** Forty characters of base64, as AWS makes secrets; a digest in hex is as long, and none. */
export function isAwsSecret(text: string): boolean {
  return /^[A-Za-z0-9/+]{40}$/.test(text) && !/^[0-9a-f]{40}$/i.test(text);
}

function awsSecrets(text: string): SecretSpan[] {
  const keys = Array.from(text.matchAll(awsKey), ({ index, 0: key }): SecretSpan => {
    return { start: index, end: index + key.length, kind: "aws key" };
  });
  let next = 0;
  const secrets: SecretSpan[] = [];
  for (const { index: start, 0: secret } of text.matchAll(awsSecret)) {
    const end = start + secret.length;
    while ((keys[next]?.end ?? Infinity) + near < start) next += 1;
    if ((keys[next]?.start ?? Infinity) - near > end || !isAwsSecret(secret)) continue;
    secrets.push({ start, end, kind: "aws secret" });
  }
  return [...keys, ...secrets];
}
