import assert from "node:assert/strict";
import { createHash, randomUUID } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { suite, test } from "node:test";
import type { JsonValue } from "../../src/core/records.ts";
import { fully, type FullyOptions } from "./fully.ts";
import { awsKey, awsSecret, pem, random, tokens } from "./secretSamples.ts";

function text(value: string, options?: FullyOptions): string {
  const { value: plain } = fully(value, options);
  assert.ok(typeof plain === "string");
  return plain;
}

suite("what looks like a secret is taken out", () => {
  for (const [kind, examples] of Object.entries(tokens)) {
    test(`${kind}: found wherever it stands, and the rest of the text stays`, () => {
      for (const secret of examples) {
        const nested = JSON.stringify(JSON.stringify({ out: `one\n${secret}\ntwo` }));
        for (const [before, after] of [
          ["", ""],
          ["before ", " after"],
          ["(", ")"],
          ["`", "`,"],
          ["x = '", "';"],
          ["a line\n", "\na line"],
          ["https://host/?q=", "&b=1"],
          ["glued%3D", "%26"],
        ] as const) {
          assert.equal(text(`${before}${secret}${after}`), `${before}[redacted: ${kind}]${after}`);
        }
        assert.ok(!text(nested).includes(secret.slice(0, 24).split("\n")[0] ?? ""), nested);
        assert.ok(text(nested).startsWith(String.raw`"{\"out\":\"one\\n[redacted: ${kind}]`));
      }
    });
  }

  test("an AWS secret is found next to its key, in a text, a table or an object", () => {
    assert.equal(
      text(`name,key,secret\nci,${awsKey},${awsSecret}\n`),
      "name,key,secret\nci,[redacted: aws key],[redacted: aws secret]\n",
    );
    assert.deepEqual(fully([awsKey, awsSecret, "ok"]).value, [
      "[redacted: aws key]",
      "[redacted: aws secret]",
      "ok",
    ]);
    assert.deepEqual(fully({ id: awsKey, other: awsSecret }).value, {
      id: "[redacted: aws key]",
      other: "[redacted: aws secret]",
    });
  });

  const said: readonly (readonly [string, string])[] = [
    // Headers.
    ["Authorization: Bearer abc123def456", "Authorization: Bearer [redacted: authorization]"],
    [
      "curl -H 'Authorization: token 0a1b2c3d4e' x",
      "curl -H 'Authorization: token [redacted: authorization]' x",
    ],
    [
      "authorization: Basic dXNlcjpwYXNz\r\nHost: x",
      "authorization: Basic [redacted: authorization]\r\nHost: x",
    ],
    [
      `{"Authorization":"Bearer s3cr3t-value"}`,
      `{"Authorization":"Bearer [redacted: authorization]"}`,
    ],
    ["use Bearer 0123456789abcdef here", "use Bearer [redacted: authorization] here"],
    [
      "Proxy-Authorization: Basic dXNlcjpwYXNz",
      "Proxy-Authorization: Basic [redacted: authorization]",
    ],
    [
      'Authorization: Digest username="u", response="abc"',
      'Authorization: Digest username="u", response="abc"',
    ],
    ["x-api-key: 8f14e45fceea167a", "x-api-key: [redacted: api key]"],
    // URLs.
    ["postgres://app:hunter2@db:5432/x", "postgres://app:[redacted: url credentials]@db:5432/x"],
    ["https://:s3cr3t@host/", "https://:[redacted: url credentials]@host/"],
    [
      `git clone https://${random(24)}@host/x.git`,
      "git clone https://[redacted: url credentials]@host/x.git",
    ],
    // Environment and shell.
    ["DB_PASSWORD=letmein", "DB_PASSWORD=[redacted: password]"],
    ["export API_KEY='abcd efgh' # x", "export API_KEY='abcd efgh' # x"],
    ["export API_KEY=abcdefghij", "export API_KEY=[redacted: api key]"],
    ['PGPASSWORD="correct horse battery" psql', 'PGPASSWORD="[redacted: password]" psql'],
    ["password=letmein\nuser=x", "password=[redacted: password]\nuser=x"],
    ["Server=db;Password=letmein;Timeout=3", "Server=db;Password=[redacted: password];Timeout=3"],
    ["host=db password=letmein dbname=x", "host=db password=[redacted: password] dbname=x"],
    [
      "mysql --user root --password hunter2 db",
      "mysql --user root --password [redacted: password] db",
    ],
    ["tool --token=abc123def", "tool --token=[redacted: token]"],
    [
      "//registry.example.com/:_authToken=0a1b2c3d-4e5f",
      "//registry.example.com/:_authToken=[redacted: token]",
    ],
    ["GET /x?access_token=abc123&b=1", "GET /x?access_token=[redacted: token]&b=1"],
    // JSON, and JSON inside of JSON.
    ['{"password": "hunter2", "user": "x"}', '{"password": "[redacted: password]", "user": "x"}'],
    [
      String.raw`{"a":"{\"client_secret\":\"abc\\\"def\"}"}`,
      String.raw`{"a":"{\"client_secret\":\"[redacted: secret]\"}"}`,
    ],
    ['{"apiKey":"abcdefgh"}', '{"apiKey":"[redacted: api key]"}'],
    [String.raw`{"password":"ab\"cd\\","x":1}`, '{"password":"[redacted: password]","x":1}'],
    // YAML, INI, code.
    ["db:\n  password: hunter2\n  user: x", "db:\n  password: [redacted: password]\n  user: x"],
    ["- token: c2VjcmV0dG9rZW4xMjM0NTY=\n", "- token: [redacted: token]\n"],
    ["secret = topsecret # x", "secret = [redacted: secret] # x"],
    ["api_key: 0123456789abcdef", "api_key: [redacted: api key]"],
    ["{password: hunter2, user: x}", "{password: [redacted: password], user: x}"],
    ["+password: hunter2", "+password: [redacted: password]"],
    ['const token: string = "abc123def"', 'const token: string = "[redacted: token]"'],
    ["config['secret_key'] = 'x9!kd'", "config['secret_key'] = '[redacted: secret]'"],
    [`aws_secret_access_key = ${awsSecret}`, "aws_secret_access_key = [redacted: aws secret]"],
    ['password: "cut\nsay "so"', 'password: "[redacted: password]\nsay "so"'],
    ["password = 'cut off", "password = '[redacted: password] off"],
    // .netrc.
    [
      "machine host\n  login me\n  password letmein\n",
      "machine host\n  login me\n  password [redacted: netrc password]\n",
    ],
    ["default login me password x1", "default login me password [redacted: netrc password]"],
  ];
  for (const [secret, plain] of said) {
    test(`it is told by what stands around it: ${JSON.stringify(secret).slice(0, 70)}`, () => {
      assert.equal(text(secret), plain);
    });
  }

  test("what is as long as an AWS secret is none when it is a digest, or far from any key", () => {
    const sha = createHash("sha1").update("x").digest("hex");
    const far = " ".repeat(300);
    assert.equal(
      text(`${awsSecret}${far}${awsKey} ${sha}${far}${awsSecret}`),
      `${awsSecret}${far}[redacted: aws key] ${sha}${far}${awsSecret}`,
    );
  });

  test("a private key that was cut off is taken out as far as it goes", () => {
    const cut = pem.toString().slice(0, 70);
    assert.equal(text(`key:\n${cut}`), "key:\n[redacted: private key]");
  });

  test("the value of a property whose name says so is taken out, whatever it looks like", () => {
    const value = {
      db: { password: "letmein", port: 5432 },
      env: [{ name: "API_KEY", value: "abcdefgh" }],
      args: ["--password", "letmein", "--verbose"],
      headers: { Authorization: "Bearer letmein" },
      clientSecret: `x ${random(4)}`,
      [`ghp_${random(36)}`]: 1,
    };
    assert.deepEqual(fully(value), {
      value: {
        db: { password: "[redacted: password]", port: 5432 },
        env: [{ name: "API_KEY", value: "[redacted: api key]" }],
        args: ["--password", "[redacted: password]", "--verbose"],
        headers: { Authorization: "Bearer [redacted: authorization]" },
        clientSecret: `x ${random(4)}`,
        "[redacted: github token]": 1,
      },
      found: new Map([
        ["password", 2],
        ["api key", 1],
        ["authorization", 1],
        ["github token", 1],
      ]),
    });
  });

  test("a property named __proto__ is a name like any other, and two names never become one", () => {
    const value: JsonValue = JSON.parse(
      `{"__proto__":{"password":"letmein"},"ghp_${random(36)}":1,"ghp_${random(40)}":2}`,
    );
    assert.equal(
      JSON.stringify(fully(value).value),
      '{"__proto__":{"password":"[redacted: password]"},"[redacted: github token]":1,"[redacted: github token] (2)":2}',
    );
  });
});

suite("what is no secret stays", () => {
  const sha = createHash("sha1").update("x").digest("hex");
  const digest = createHash("sha256").update("x").digest("hex");
  const image = Buffer.from(new Uint8Array(3000).map((_, index) => (index * 7919) % 251));
  const kept = [
    `commit ${sha}\nMerge: ${sha.slice(0, 7)} ${sha.slice(7, 14)}`,
    `sha256:${digest}`,
    `${awsKey.slice(0, 8)} ${sha}`,
    randomUUID(),
    `{"integrity":"sha512-${image.subarray(0, 64).toString("base64")}"}`,
    `data:image/png;base64,${image.toString("base64")}`,
    "The model counts tokens: a token is a piece of a word. Token limits: 4096 a request.",
    "max_tokens=4096 token_count: 12 tokens = 5",
    "Bearer tokens are secrets. Basic authentication is older; Basic usage: see below.",
    "Never commit a password. The password: it should be long. Enter your password:",
    "Pass --password or --token to log in; the --password flag is required.",
    "the secret-scanning job found nothing; secrets: inherit",
    "const token = getToken()",
    "const token = getToken();\nconst secret = await load();\nlet password = value1;",
    "password: string",
    "interface Login {\n  password: string;\n  token?: string;\n  apiKey: string | null;\n}",
    "def login(password: str = None, token: Optional[str] = None):",
    "self.password = password\nself.token = config.token\nthis.secret = options.secret;",
    "connect(password=password, token=token, secret=self.secret)",
    "copy.password = '[REDACTED]'; const SUBJECT_TOKEN = 'urn:oauth:token-type:x509'",
    "password=settings.values\nsecret = settings.first.value",
    "password = os.environ['DB_PASSWORD']",
    "apiKey: process.env.OPENAI_API_KEY,",
    "if (token === expected || password == null) return;",
    "token := r.FormValue(name)",
    "const { token } = props; (token) => token.trim()",
    "token: ${{ secrets.GITHUB_TOKEN }}",
    "PASSWORD=$DB_PASSWORD TOKEN=${TOKEN} SECRET=<your secret> API_KEY=xxxx",
    '<input type="password" name="password" placeholder="Password">',
    '{"password": "Enter your password", "token": "identifier", "label": {"password": "Password"}}',
    '{"dependencies": {"csrf-token": "^1.2.3", "password": "1.0.0"}}',
    "https://host:8080/a@b http://user@host/ ssh://git@host/x.git postgres://app:${PASS}@db a://user:password@b",
    "z.object({ password: z.string(), token: z.string().min(8) })",
    "The file begins with -----BEGIN PRIVATE KEY----- and ends with -----END PRIVATE KEY-----.",
    "eyJust.a.sentence and sk-learn, sk-SK, hf_dataset, npm_config_cache, ghp_short",
    "task-0123456789abcdef0123456789abcdef risk-0123456789abcdef0123456789abcdef",
  ];
  for (const each of kept) {
    test(`unchanged: ${JSON.stringify(each).slice(0, 70)}`, () => {
      assert.equal(text(each), each);
    });
  }

  test("numbers, types and digests of a record are left alone", () => {
    const value = {
      key: digest,
      budgets: { tokens: 100_000 },
      usage: { inputTokens: 5, token: 12 },
      password: { type: "string" },
      token: null,
      secret: true,
    };
    assert.deepEqual(fully(value), { value, found: new Map() });
  });

  test("this project's own source holds nothing that looks like a secret", () => {
    const source = new URL("../../src/", import.meta.url);
    for (const name of readdirSync(source, { recursive: true, encoding: "utf8" })) {
      if (!name.endsWith(".ts")) continue;
      const file = readFileSync(new URL(name, source), "utf8");
      assert.equal(text(file), file, name);
    }
  });
});

suite("what is handed in is taken out", () => {
  const known = ["p@ss w\\rd/ü+1", "0123456789"];

  test("as it is, in JSON, in a URL and in base64, alone or inside of more", () => {
    for (const secret of known) {
      const wrapped = ["", "a", "ab", "abc"].map((lead) =>
        Buffer.from(`${lead}${secret}:tail`).toString("base64"),
      );
      const forms = [
        secret,
        JSON.stringify(secret),
        encodeURIComponent(secret),
        Buffer.from(secret).toString("base64"),
        Buffer.from(secret).toString("base64url"),
        ...wrapped,
      ];
      for (const form of forms) {
        const plain = text(`see ${form} there`, { known });
        assert.ok(plain.includes("[redacted: known secret]"), form);
        assert.ok(plain.startsWith("see ") && plain.endsWith(" there"));
        // No more than a character at each side may stay of what base64 shares with neighbours.
        assert.ok(plain.length < "see [redacted: known secret] there".length + 20, plain);
      }
    }
  });

  test("one that is too short to be told from other text is passed over", () => {
    assert.equal(text("none of it", { known: ["none", ""] }), "none of it");
  });

  test("a digest that is named stays, even when a part of it is known; all of it does not", () => {
    const digest = "0123456789".repeat(6) + "abcd";
    const digests = new Set(["key"]);
    const options = { known, digests };
    assert.deepEqual(fully({ key: digest }, options).value, { key: digest });
    assert.notDeepEqual(fully({ other: digest }, options).value, { other: digest });
    assert.deepEqual(fully({ key: digest }, { known: [digest], digests }).value, {
      key: "[redacted: known secret]",
    });
  });
});
