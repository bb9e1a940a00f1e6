import assert from "node:assert/strict";
import { createHash, generateKeyPairSync, randomBytes, randomUUID } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { suite, test } from "node:test";
import { Secrets } from "../../src/redaction/secrets.ts";
import { awsKey, awsSecret, jwt, pem, random } from "./secretSamples.ts";

const { persisted } = new Secrets();
const hex = (length: number): string =>
  createHash("sha512").update("made here").digest("hex").slice(0, length);
const base64 = (bytes: number): string => randomBytes(bytes).toString("base64");
const azure = base64(64);
const uuid = randomUUID();
const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey;
const pkcs1 = rsa.export({ type: "pkcs1", format: "pem" }).toString();
const openssh = `-----BEGIN OPENSSH PRIVATE KEY-----\n${base64(96)}\n${base64(96)}\n-----END OPENSSH PRIVATE KEY-----`;

/** As a command prints them, each with what must not stay of it. */
const shapes: Readonly<Record<string, readonly [output: string, secret: string]>> = {
  "AWS key id alone": [`using ${awsKey} now`, awsKey],
  "AWS secret beside its key": [`${awsKey}\t${awsSecret}`, awsSecret],
  "GitHub token": [`remote: ghp_${random(36)}`, `ghp_${random(36)}`],
  "GitHub fine-grained token": [`github_pat_${random(22)}_${random(59)}`, random(59)],
  "GitLab token": [`token glpat-${random(20)}`, `glpat-${random(20)}`],
  "Slack token": [`xoxb-123456789012-1234567890123-${random(24)}`, random(24)],
  "Slack webhook": [
    `https://hooks.slack.com/services/T0${random(8)}/B0${random(8)}/${random(24)}`,
    random(24),
  ],
  "RSA private key": [`cat key\n${pkcs1}$`, pkcs1.split("\n")[3] ?? ""],
  "PKCS8 private key": [pem.toString(), pem.toString().split("\n")[1] ?? ""],
  "OpenSSH private key": [openssh, openssh.split("\n")[1] ?? ""],
  JWT: [`cookie: session=${jwt}; path=/`, jwt],
  "Stripe live key": [`sk_live_${random(24)}`, `sk_live_${random(24)}`],
  "Stripe test key": [`sk_test_${random(24)}`, `sk_test_${random(24)}`],
  "Hugging Face token": [`hf_${random(34)}`, `hf_${random(34)}`],
  "Azure storage key": [`AccountName=x;AccountKey=${azure};EndpointSuffix=core.windows.net`, azure],
  "Azure AD client secret": [`abc8Q~${random(34)}`, random(34)],
  "PyPI token": [`pypi-AgEIcHlwaS5vcmc${random(80)}`, random(60)],
  "npm token": [`//registry/:_authToken=npm_${random(36)}`, `npm_${random(36)}`],
  "GCP service account": [
    JSON.stringify(
      { type: "service_account", private_key_id: hex(40), private_key: pkcs1 },
      null,
      2,
    ),
    pkcs1.split("\n")[3] ?? "",
  ],
  "Google API key": [`key=AIza${random(35)}`, `AIza${random(35)}`],
  "age key": [`AGE-SECRET-KEY-1${random(58).toUpperCase()}`, random(58).toUpperCase()],
  "SendGrid key": [`SG.${random(22)}.${random(43)}`, random(43)],
  "Twilio key": [`SK${hex(32)}`, hex(32)],
  "Telegram token": [`bot 123456789:AA${random(33)}`, random(33)],
  "Discord token": [`MTk${random(23)}.${random(6)}.${random(32)}`, random(32)],
  "OpenAI key": [`sk-proj-${random(60)}`, `sk-proj-${random(60)}`],
  "Anthropic key": [`sk-ant-api03-${random(93)}`, random(90)],
  "DigitalOcean token": [`dop_v1_${hex(64)}`, hex(64)],
  "Heroku key by its name": [`HEROKU_API_KEY=${uuid}`, uuid],
  "Docker auth": [
    `{ "auths": { "registry.example": { "auth": "${Buffer.from(`me:${random(12)}`).toString("base64")}" } } }`,
    Buffer.from(`me:${random(12)}`).toString("base64"),
  ],
  ".netrc": [`machine host login me password ${random(10)}`, `password ${random(10)}`],
  "URL with a password": [`postgres://app:${random(12)}@db:5432/x`, random(12)],
  "Authorization: Bearer": [`Authorization: Bearer ${random(40)}`, random(40)],
  "Authorization: Basic": [
    `Authorization: Basic ${Buffer.from(`me:${random(12)}`).toString("base64")}`,
    Buffer.from(`me:${random(12)}`).toString("base64"),
  ],
  "kube config": [`    client-key-data: ${Buffer.from(pkcs1).toString("base64")}\n`, "LS0tLS1C"],
  Databricks: [`dapi${hex(32)}`, hex(32)],
  Mailgun: [`key-${hex(32)}`, hex(32)],
  Square: [`sq0csp-${random(43)}`, random(43)],
};

suite("in what is kept, secrets are told by their shape", () => {
  for (const [name, [output, secret]] of Object.entries(shapes)) {
    test(name, () => {
      assert.ok(output.includes(secret) && secret.length > 7);
      for (const text of [output, `$ cat x\n${output}\n$ `, JSON.stringify({ stdout: output })]) {
        const plain = persisted.text(text);
        assert.ok(!plain.includes(secret), plain);
        assert.match(plain, /\[redacted: /);
        assert.equal(persisted.text(plain), plain, "a second time finds nothing");
      }
    });
  }

  test("and by the name of a property whose value looks like one", () => {
    const token = random(32);
    assert.deepEqual(
      persisted.value({ apiToken: token, password: "letmein", nextPageToken: token }),
      {
        apiToken: "[redacted: token]",
        password: "letmein",
        nextPageToken: token,
      },
    );
  });

  test("in JSON it stays JSON, and what has none is the very same value", () => {
    const text = JSON.stringify({ command: `curl -H "x: ghp_${random(36)}"` });
    assert.deepEqual(JSON.parse(persisted.text(text)), {
      command: 'curl -H "x: [redacted: github token]"',
    });
    const value = { text: "ok", data: [1, null, { a: "b" }] };
    assert.equal(persisted.value(value), value);
  });
});

/** Of each folder the first 400: enough to be all sorts of text. */
function filesUnder(folder: URL, ends: RegExp): readonly string[] {
  const names = readdirSync(folder, { recursive: true, encoding: "utf8" });
  const some = names.filter((name) => ends.test(name)).slice(0, 400);
  assert.ok(some.length > 0, folder.pathname);
  return some.map((name) => readFileSync(new URL(name, folder), "utf8"));
}

function unchanged(text: string): void {
  const plain = persisted.text(text);
  if (plain === text) return;
  const at = plain.indexOf("[redacted: ");
  assert.fail(text.slice(Math.max(0, at - 60), at + 80));
}

suite("in what is kept, ordinary text stays: the model writes back what it reads", () => {
  const root = new URL("../../", import.meta.url);
  for (const folder of ["src/", "webview/", "test/core/", "test/sandbox/", "test/snapshot/"]) {
    test(`this project's own ${folder}`, () => {
      for (const text of filesUnder(new URL(folder, root), /\.ts$/)) unchanged(text);
    });
  }

  for (const name of ["zod", "yaml", "dockerode", "diff", "pg", "openai", "just-bash"]) {
    test(`sources of ${name}`, () => {
      const folder = new URL(`node_modules/${name}/`, root);
      for (const text of filesUnder(folder, /\.(?:[cm]?js|d\.ts|json|md)$/)) unchanged(text);
    });
  }

  test("the lock file, hashes, UUIDs, digests of records, images in base64, minified words", () => {
    const lock = readFileSync(new URL("package-lock.json", root), "utf8");
    const texts = [
      lock,
      Array.from({ length: 200 }, (_, index) =>
        createHash("sha256").update(`${index}`).digest("hex"),
      ).join("\n"),
      Array.from({ length: 200 }, (_, index) =>
        createHash("sha1").update(`${index}`).digest("hex"),
      ).join(" "),
      Array.from({ length: 200 }, () => randomUUID()).join("\n"),
      `data:image/png;base64,${base64(200_000)}`,
      base64(300_000).replaceAll(/.{76}/g, "$&\n"),
      randomBytes(100_000).toString("hex"),
      JSON.stringify({ key: hex(64), operation: hex(64), tree: hex(64), etag: hex(32) }),
      "const password = 'hunter2'; // a test's own",
      "DATABASE_URL=postgres://postgres:postgres@localhost:5432/test",
      'expect(login({ user: "a", password: "correct horse" })).toBe(true)',
      'it("sends the token", () => send({ token: "test-token-1" }))',
      'headers: { authorization: "Bearer test-token-123" }',
      "API_KEY=changeme TOKEN=abc123 SECRET_KEY=dev",
    ];
    for (const text of texts) unchanged(text);
  });
});
