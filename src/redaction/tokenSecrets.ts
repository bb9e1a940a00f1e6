import type { SecretKind } from "../core/redactedMark.ts";
import type { Anchor, Anchored } from "./anchors.ts";
import type { SecretSpan } from "./secretSpan.ts";

/**
 * Where a token may begin: not inside a word; but after `\n` as JSON writes it inside a text, and
 * after a percent escape, a word has ended although a letter or digit comes before.
 */
const begin = String.raw`(?:(?<![A-Za-z0-9])|(?<=\\[nrtbf])|(?<=%[0-9A-Fa-f]{2})|(?<=\\u[0-9A-Fa-f]{4}))`;
const end = "(?![A-Za-z0-9])";

/** At least so many of a class. Written `{n}` and a star, for `{n,}` runs out of stack on megabytes. */
function run(characters: string, least: number): string {
  return `[${characters}]{${least}}[${characters}]*`;
}

const alnum = "A-Za-z0-9";
const word = String.raw`\w-`;

interface Shape {
  readonly kind: SecretKind;
  readonly anchors: readonly string[];
  /** From the anchor on. A group is the secret where not all of it is. */
  readonly pattern: RegExp;
  /** How far before its anchor it begins. */
  readonly lead: number;
}

function shape(
  kind: SecretKind,
  anchors: readonly string[],
  source: string,
  { lead = 0, head = begin } = {},
): Shape {
  return { kind, anchors, pattern: new RegExp(head + source, "y"), lead };
}

/** Those that are told by a prefix and what may follow it, and by nothing else. */
const prefixed: readonly (readonly [SecretKind, readonly string[], string])[] = [
  ["github token", ["ghp_", "gho_", "ghu_", "ghs_", "ghr_"], run(alnum, 30)],
  ["github token", ["github_pat_"], run(String.raw`\w`, 22)],
  [
    "gitlab token",
    ["glpat-", "gloas-", "gldt-", "glrt-", "glcbt-", "glptt-", "glft-", "glimt-", "glagent-"],
    run(String.raw`\w.-`, 20),
  ],
  ["gitlab token", ["glsoat-", "glffct-"], run(String.raw`\w.-`, 20)],
  [
    "slack token",
    ["xoxa-", "xoxb-", "xoxc-", "xoxe-", "xoxo-", "xoxp-", "xoxr-", "xoxs-", "xapp-", "xwfp-"],
    run(`${alnum}-`, 10),
  ],
  ["google key", ["AIza"], String.raw`[\w-]{35}(?![\w-])`],
  ["google key", ["GOCSPX-"], run(word, 20)],
  ["google key", ["ya29."], run(String.raw`\w.-`, 20)],
  ["npm token", ["npm_"], run(alnum, 36)],
  ["stripe key", ["sk_live_", "sk_test_", "rk_live_", "rk_test_"], run(alnum, 16)],
  ["stripe key", ["whsec_"], run(String.raw`\w+/=`, 24)],
  ["hugging face token", ["hf_", "api_org_"], run(alnum, 30)],
  ["pypi token", ["pypi-"], run(word, 50)],
  ["age key", ["AGE-SECRET-KEY-1"], run("A-Z0-9", 50)],
  ["api key", ["SG."], String.raw`[\w-]{16,32}\.${run(word, 16)}`],
  ["api key", ["SK", "key-"], `[0-9a-f]{32}${end}`],
  ["token", ["dop_v1_", "doo_v1_", "dor_v1_"], run("0-9a-f", 40)],
  ["token", ["dapi"], `[0-9a-f]{32}(?:-\\d)?${end}`],
  ["token", ["sq0"], `[a-z]{3}-${run(word, 22)}`],
  ["token", ["EAAA"], run(word, 56)],
  ["token", ["shpat_", "shpca_", "shppa_", "shpss_"], run("0-9a-fA-F", 32)],
  ["token", ["hvs.", "hvb."], run(word, 24)],
  ["token", ["dp.pt.", "dp.st.", "dp.ct.", "dp.sa."], run(String.raw`\w.`, 40)],
  ["token", ["glsa_", "glc_", "ntn_", "sbp_", "figd_", "dckr_pat_"], run(word, 27)],
  ["token", ["sntrys_", "sntryu_", "pscale_tkn_", "pscale_pw_"], run(String.raw`\w+/=.-`, 32)],
  ["token", ["ATATT3", "HRKU-", "rubygems_"], run(String.raw`\w=-`, 30)],
  ["api key", ["lin_api_", "gsk_", "r8_", "PMAK-", "NRAK-", "xai-"], run(`${alnum}-`, 27)],
  ["api key", ["pplx-", "xkeysib-", "sb_secret_"], run(word, 27)],
];

/**
 * By what their providers document. Every repetition is the last thing in its pattern or has an
 * upper limit, so that no text makes a pattern look again and again at the same characters; a
 * JWT's parts are kept linear by where it may begin.
 */
const shapes: readonly Shape[] = [
  shape("anthropic key", ["sk-"], `sk-ant-${run(word, 16)}`),
  shape("openai key", ["sk-"], `sk-(?:proj|svcacct|admin|None)-${run(word, 20)}`),
  shape("openai key", ["sk-"], `sk-${run(alnum, 32)}`),
  shape("api key", ["sk-"], `sk-or-v1-${run("0-9a-f", 32)}`),
  ...prefixed.map(([kind, anchors, rest]) =>
    shape(kind, anchors, `(?:${anchors.map(literal).join("|")})${rest}`),
  ),
  shape(
    "slack token",
    ["hooks.slack.com/"],
    String.raw`hooks\.slack\.com\/(?:services|workflows)\/(${run(String.raw`\w/-`, 20)})`,
  ),
  shape("token", ["/api/webhooks/"], String.raw`\/api\/webhooks\/\d{15,22}\/(${run(word, 50)})`, {
    head: String.raw`(?<=discord(?:app)?\.com)`,
  }),
  shape("token", [".atlasv1."], String.raw`[${alnum}]{14}\.atlasv1\.${run(word, 50)}`, {
    lead: 14,
  }),
  shape("azure key", ["Key="], `Key=([A-Za-z0-9+/]{43}(?:[A-Za-z0-9+/]{43}=)?=)`, {
    head: "(?<=Account|Shared(?:Access)?)",
  }),
  shape("azure key", ["Q~"], String.raw`[\w~.-]{3}\dQ~[\w~.-]{31,34}(?![\w~-])`, { lead: 4 }),
  shape("token", [":AA"], String.raw`:(AA[\w-]{33})(?![\w-])`, {
    head: String.raw`(?<=(?<![\w.-])\d{8,10})`,
  }),
  shape(
    "token",
    ["MT", "Mj", "Mz", "ND", "NT", "Nj", "Nz", "OD", "OT"],
    String.raw`[\w-]{23,28}\.[\w-]{6}\.${run(word, 27)}`,
  ),
  shape("jwt", ["eyJ"], String.raw`(?<![_-])eyJ${run(word, 8)}\.eyJ${run(word, 8)}\.[\w-]*`),
];

function literal(anchor: string): string {
  return anchor.replaceAll(".", String.raw`\.`);
}

const awsAnchors: readonly string[] = ["AKIA", "ASIA", "ABIA", "ACCA"];
const awsKey = new RegExp(`${begin}A[A-Z]{3}[A-Z0-9]{16}${end}`, "y");
const awsKeyAnywhere = new RegExp(`${begin}(?:${awsAnchors.join("|")})[A-Z0-9]{16}${end}`);
const awsSecret = /(?:(?<![\w/+=])|(?<=\\[nrt]))[A-Za-z0-9/+]{40}(?![\w/+=])/g;
/** How far from its key an AWS secret is looked for: a line or two of a file or a table. */
const near = 256;

export const tokenAnchors: readonly Anchor[] = [
  ...new Set([...shapes.flatMap(({ anchors }) => anchors), ...awsAnchors]),
].map((text) => ({ text }));

const byAnchor = new Map(
  tokenAnchors.map(({ text }) => [text, shapes.filter(({ anchors }) => anchors.includes(text))]),
);

/** Tokens that give themselves away, and the AWS secret beside an AWS key. */
export function tokenSecrets(text: string, anchors: Anchored): SecretSpan[] {
  const spans: SecretSpan[] = [];
  for (const [anchor, places] of anchors.entries()) {
    for (const each of byAnchor.get(anchor) ?? []) shaped(text, places, each, spans);
  }
  return [...spans, ...awsSecrets(text, anchors)];
}

function shaped(
  text: string,
  places: readonly number[],
  { kind, pattern, lead }: Shape,
  spans: SecretSpan[],
): void {
  let past = 0;
  for (const place of places) {
    const at = place - lead;
    if (at < past) continue;
    pattern.lastIndex = at;
    const match = pattern.exec(text);
    if (match === null) continue;
    const [all, secret = all] = match;
    past = at + all.length;
    spans.push({ start: past - secret.length, end: past, kind });
  }
}

export function holdsAwsKey(text: string): boolean {
  return awsKeyAnywhere.test(text);
}

/** Forty characters of base64, as AWS makes secrets; a digest in hex is as long, and none. */
export function isAwsSecret(text: string): boolean {
  return /^[A-Za-z0-9/+]{40}$/.test(text) && !/^[0-9a-f]{40}$/i.test(text);
}

function awsSecrets(text: string, anchors: Anchored): SecretSpan[] {
  const places = awsAnchors.flatMap((anchor) => anchors.of(anchor));
  const keys = places
    .toSorted((one, two) => one - two)
    .flatMap((start): readonly SecretSpan[] => {
      awsKey.lastIndex = start;
      const match = awsKey.exec(text);
      return match === null ? [] : [{ start, end: start + match[0].length, kind: "aws key" }];
    });
  if (keys.length === 0) return [];
  let next = 0;
  const secrets: SecretSpan[] = [];
  for (const { index: start, 0: secret } of text.matchAll(awsSecret)) {
    const stop = start + secret.length;
    while ((keys[next]?.end ?? Infinity) + near < start) next += 1;
    if ((keys[next]?.start ?? Infinity) - near > stop || !isAwsSecret(secret)) continue;
    secrets.push({ start, end: stop, kind: "aws secret" });
  }
  return [...keys, ...secrets];
}
