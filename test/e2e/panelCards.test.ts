import assert from "node:assert/strict";
import { after, before, beforeEach, suite, test } from "node:test";
import type { Locator, Page } from "playwright-core";
import type { Action } from "../../src/core/action.ts";
import { fromPanel, type PanelWait } from "../../src/protocol.ts";
import { hostileTexts } from "./hostileTexts.ts";
import {
  apply,
  command,
  egress,
  image,
  PanelPage,
  restoreConflict,
  rule,
  service,
  skillUpdate,
  wait,
} from "./panelPage.ts";
import { anyPlace } from "../contracts/records.ts";

const past = { seen: 41, passed: 37, rejected: 2 };
const none = { alike: { approved: 0, rejected: 0 }, grants: [] };
const tightens = { ...none, tightening: { seen: 41, denied: 3, asked: 1 } };
const facts: NonNullable<PanelWait["facts"]> = {
  alike: { approved: 3, rejected: 1 },
  grants: [
    { grant: "session", from: null, sentence: "Allow npm test until this session ends.", past },
    { grant: "always", from: null, sentence: "Allow npm test in this folder.", past },
  ],
};

function actionOf(program: string, change: Partial<Action["place"]> = {}): Action {
  const argv = [program, "test"];
  return {
    session: "s1",
    tool: "exec",
    risk: "R1",
    args: "digest",
    command: [{ argv, run: argv, join: null, effect: "unknown" }],
    paths: [],
    place: { ...anyPlace, ...change },
  };
}

suite("the cards of approvals", () => {
  let panel: PanelPage;
  let page: Page;

  before(async () => {
    panel = await PanelPage.open();
    ({ page } = panel);
  });
  after(async () => panel.close());
  beforeEach(async () => panel.reset());

  const cards = (): Locator => page.getByRole("article");
  const button = (name: string): Locator => panel.button(name);

  async function rows(): Promise<string> {
    return (await cards().first().locator("dt, dd").allTextContents()).join("|");
  }

  test("a command's card says what runs first, then risk, place, reach, who asks, how to undo, what was decided before, and last what the model says", async () => {
    const subject = {
      ...command("curl x | sh"),
      action: actionOf("curl", { network: ["docs only"], secrets: ["NPM_TOKEN"] }),
      rule: "Ask for curl.",
      undo: "The checkpoint before it.",
      shell: "PATH begins with /workspace/bin.",
      reason: "format code",
    };
    await panel.show({ ...wait("one", subject), facts });
    const texts = await cards().first().locator("h2, pre, dl, blockquote, .origin").allInnerTexts();
    assert.equal(texts[0], "About one?");
    assert.equal(texts[1], "curl x | sh");
    assert.equal(
      await rows(),
      [
        "Risk|It changes the session's own copy, not your files.",
        "Runs in|the embedded sandbox",
        "Reaches|Network: docs only; secrets: NPM_TOKEN",
        "Asked by|Ask for curl.",
        "Undo|The checkpoint before it.",
        "The shell|PATH begins with /workspace/bin.",
        "Before|You approved 3 alike before, and rejected 1.",
      ].join("|"),
    );
    assert.equal(texts[3], "format code");
    assert.match(texts[4] ?? "", /^For: Mend the test/);
    const said = page.getByText("The model says", { exact: true });
    assert.equal(await said.count(), 1);
  });

  test("no network and no secrets are said, and what is not known is not", async () => {
    await panel.show(
      wait("one", { ...command("ls"), action: actionOf("ls"), rule: null, shell: "" }),
    );
    assert.match(
      await rows(),
      /Reaches\|No network, no secrets\|Asked by\|the default for this risk$/,
    );
    await panel.reset();
    await panel.show(wait("one", command("ls")));
    assert.equal(await rows(), "Runs in|the embedded sandbox");
  });

  test("a long reason of the model is cut, and the rest is a choice", async () => {
    await panel.show(wait("one", { ...command("ls"), reason: "x".repeat(900) }));
    assert.equal((await page.locator("blockquote").textContent())?.length, 201);
    assert.equal(await page.getByText("All that the model says").count(), 1);
  });

  test("every kind shows exactly what it is about", async () => {
    const shown: readonly (readonly [PanelWait["record"]["subject"], readonly string[]])[] = [
      [
        egress,
        [
          "POST https://api.example/v1/items?draft=true",
          "api.example",
          "the default",
          "with whatever of the sandbox the command puts into it",
          "Once is until the next command ends: POST of https://api.example/v1/items, with no header",
          "From your npm configuration: Allows GET and HEAD of https://api.example/ and what is below it",
          "While this command ran",
          "npm run send",
        ],
      ],
      [
        service,
        [
          "github_issue: create an issue",
          "Mend the sum",
          "One line.\nAnother one.",
          "outside the sandbox",
          "GITHUB_TOKEN",
        ],
      ],
      [skillUpdate, ["1a2b3c", "4d5e6f", "release/SKILL.md", "+Never ask."]],
      [
        rule,
        ["This loosens: 1", "No longer denies", "Denies commands", "denied 3 and", '-{"id": "no-p'],
      ],
      [restoreConflict, ["notes.md", "changed by you", "as it was at turn 2", "-mine"]],
      [image, ["cairn-dev:1", "build:abc"]],
    ];
    for (const [subject, texts] of shown) {
      await panel.reset();
      await panel.show({ ...wait("one", subject), facts: tightens });
      const text = (await cards().first().textContent()) ?? "";
      for (const part of texts) assert(text.includes(part), `${subject.kind}: ${part} in ${text}`);
    }
  });

  test("what could deceive is said above the text that shows it", async () => {
    await panel.show(wait("one", command("curl g\u0456thub.com\u202E")));
    const texts = await cards().first().locator(".careful li, pre").allTextContents();
    assert.match(texts[0] ?? "", /look-alikes: Cyrillic ⟨U\+0456⟩|look-alikes: Cyrillic/);
    assert.match(texts[1] ?? "", /reading direction/);
    assert.equal(texts[2], "curl g⟨U+0456⟩thub.com⟨U+202E⟩");
    await panel.reset();
    await panel.show(wait("one", command("curl github.com")));
    assert.equal(await page.locator(".careful").count(), 0);
  });

  test("a long command folds with a counter, and a yes is not to be had before it was shown", async () => {
    const long = Array.from({ length: 60 }, (_, at) => `echo ${at}`).join("\n");
    await panel.show(wait("one", command(long)));
    await panel.armed();
    await page.getByText("Show all: 36 more lines").waitFor();
    await page.getByText("1 part of what you would approve is hidden.").waitFor();
    await page.keyboard.press("Control+Enter");
    await button("Approve Once").click({ force: true });
    assert.deepEqual(await panel.answers(), []);
    await button("Show All").click();
    assert.equal(await page.getByLabel("What will run").textContent(), long);
    // The toolkit draws a button anew with the next frame of this clock.
    await panel.armed();
    await button("Approve Once").click();
    assert.deepEqual(await panel.answers(), [{ approved: true, note: "" }]);
  });

  test("a long apply is approved once every file was open, and rejected at any time", async () => {
    const lines = Array.from({ length: 70 }, (_, at) => `+${at}`).join("\n");
    const diff = `--- a\n+++ b\n@@ -0,0 +1,70 @@\n${lines}\n`;
    const change = { change: "added", binary: false, conflict: null, diff } as const;
    const changes = [
      { path: "a.txt", ...change },
      { path: "b.txt", ...change },
    ];
    await panel.show(wait("one", { kind: "apply", base: "b", tree: "t", changes }));
    await panel.armed();
    await page.getByText("a.txt").click();
    await page.getByText("1 part of what you would approve is hidden.").waitFor();
    await button("Approve Once").click({ force: true });
    assert.deepEqual(await panel.answers(), []);
    await page.getByText("b.txt").click();
    await panel.armed();
    await button("Approve Once").click();
    assert.deepEqual(await panel.answers(), [{ approved: true, note: "" }]);
  });

  test("a wider yes shows its rule and its past, and is asked about once more", async () => {
    await panel.show({ ...wait("one", command("npm test")), facts });
    await panel.armed();
    await button("Always Here…").click();
    await page.getByText("Allow npm test in this folder.").waitFor();
    await page
      .getByText(
        "It would have passed 37 of 41 actions in this folder so far, 2 of them you rejected.",
      )
      .waitFor();
    await button("Save Rule and Approve").click();
    await page.keyboard.press("Control+Enter");
    assert.deepEqual(await panel.answers(), []);
    await panel.armed();
    await button("Save Rule and Approve").click();
    assert.deepEqual(await panel.answers(), [{ approved: true, note: "", grant: "always" }]);
  });

  test("without an offer there is no wider yes, and Back leads to the first step", async () => {
    await panel.show(wait("one", command("npm test")));
    assert.equal(await button("Always Here…").count(), 0);
    assert.equal(await button("This Session…").count(), 0);
    await panel.reset();
    await panel.show({ ...wait("one", command("npm test")), facts });
    await button("This Session…").click();
    await page.getByText("Allow npm test until this session ends.").waitFor();
    await button("Back").click();
    await panel.armed();
    await button("Approve Once").click();
    assert.deepEqual(await panel.answers(), [{ approved: true, note: "" }]);
  });

  test("a command is changed as its text, other arguments as JSON, and odd text as its escapes", async () => {
    const field = page.getByRole("textbox");
    await panel.show(wait("one", command("rm -rf build")));
    await button("Edit…").click();
    await field.fill("rm -r build/tmp");
    await panel.armed();
    await button("Approve as Changed").click();
    assert.deepEqual(await panel.answers(), [
      { approved: true, note: "", args: { command: "rm -r build/tmp" } },
    ]);

    await panel.reset();
    await panel.show(wait("two", { ...command("write a"), args: { path: "a", content: "x" } }));
    await button("Edit…").click();
    await panel.armed();
    await field.fill("{ no");
    await button("Approve as Changed").click();
    assert.match((await page.getByRole("alert").textContent()) ?? "", /^This is not JSON: /);
    await field.fill('{ "path": "b" }');
    await page.keyboard.press("Control+Enter");
    assert.deepEqual(await panel.answers(), [{ approved: true, note: "", args: { path: "b" } }]);

    await panel.reset();
    await panel.show(wait("three", command("ls \u202E")));
    await button("Edit…").click();
    assert.equal(await field.inputValue(), '{\n  "command": "ls \\u202e"\n}');
  });

  test("a rejection says why, and the field for it is where one types at once", async () => {
    await panel.show(wait("one", command("ls")));
    await button("Reject…").click();
    await page.keyboard.type("not on this branch");
    await panel.armed();
    await button("Reject").click();
    assert.deepEqual(await panel.answers(), [{ approved: false, note: "not on this branch" }]);
  });

  test("an answer carries the digest and the nonce of what was shown, and a new one after a refusal", async () => {
    await panel.show(wait("one", command("ls")));
    await panel.armed();
    await button("Approve Once").click();
    const refused = { kind: "refused", session: "s1", wait: "one", sentence: "No." } as const;
    await panel.tell({ ...refused, nonce: "fresh" });
    await button("Approve Once").click();
    const sent: unknown[] = await page.evaluate("window.sent");
    const nonces = sent.flatMap((raw) => {
      const message = fromPanel.parse(raw);
      return message.kind === "answer" ? [[message.digest, message.nonce]] : [];
    });
    assert.deepEqual(nonces, [
      ["digest of one", "nonce of one"],
      ["digest of one", "fresh"],
    ]);
  });

  function alike(count: number, program = "npm"): readonly PanelWait[] {
    return Array.from({ length: count }, (_, at) =>
      wait(
        `${program} ${at}`,
        { ...command(`${program} run ${at}`), action: actionOf(program) },
        { seq: 20 + at },
      ),
    );
  }

  test("three alike are one card, approved together, each with an answer of its own", async () => {
    await panel.show(...alike(3), wait("other", command("ls")));
    assert.equal(await cards().count(), 2);
    await page.getByText("3 alike: exec with npm").waitFor();
    assert.deepEqual(await cards().first().locator("pre").allTextContents(), [
      "npm run 0",
      "npm run 1",
      "npm run 2",
    ]);
    await panel.armed();
    await button("Approve All 3 Once").click();
    await button("Approve All 3 Once").click({ force: true });
    const sent: unknown[] = await page.evaluate("window.sent");
    const answered = sent.flatMap((raw) => {
      const message = fromPanel.parse(raw);
      return message.kind === "answer" ? [`${message.wait}, ${message.nonce}`] : [];
    });
    assert.deepEqual(
      answered,
      [0, 1, 2].map((at) => `npm ${at}, nonce of npm ${at}`),
    );
    // The answers come back one by one: what is under way is not asked again.
    await panel.show(...alike(3).slice(1), wait("other", command("ls")));
    assert.equal(await cards().count(), 2);
    await panel.show(wait("other", command("ls")));
    assert.equal(await cards().count(), 1);
  });

  test("a batch is rejected together with one reason, or opened one by one", async () => {
    await panel.show(...alike(3));
    await button("Reject All…").click();
    await page.keyboard.type("too many");
    await panel.armed();
    await button("Reject All").click();
    assert.deepEqual(await panel.answers(), [
      { approved: false, note: "too many" },
      { approved: false, note: "too many" },
      { approved: false, note: "too many" },
    ]);

    await panel.reset();
    await panel.show(...alike(3));
    await panel.armed();
    await button("Open One by One").click();
    assert.equal(await cards().count(), 3);
    await button("Approve Once").first().click();
    assert.deepEqual(await panel.answers(), []);
    await panel.armed();
    await button("Approve Once").first().click();
    assert.equal((await panel.answers()).length, 1);
  });

  test("two alike, other programs and what no program is known of stay apart", async () => {
    await panel.show(...alike(2), ...alike(2, "make"), wait("one", command("ls")));
    assert.equal(await cards().count(), 5);
    await panel.reset();
    const unknown = { ...actionOf("x"), command: null };
    const uncertain = [0, 1, 2].map((at) =>
      wait(`u${at}`, { ...command(`$(x ${at})`), action: unknown }, { seq: 40 + at }),
    );
    await panel.show(...uncertain);
    assert.equal(await cards().count(), 3);
    await panel.reset();
    await panel.show(...uncertain.map((each) => Object.assign(each, { facts })));
    assert.equal(await cards().count(), 1);
  });

  test("of a batch with something hidden nothing is approved before it was shown", async () => {
    const long = Array.from({ length: 60 }, (_, at) => `echo ${at}`).join("\n");
    const [first, second, third] = alike(3);
    assert(first && second && third);
    const hidden = { ...command(long), action: actionOf("npm") };
    await panel.show(first, second, wait("npm 2", hidden, { seq: 22 }));
    await panel.armed();
    await button("Approve All 3 Once").click({ force: true });
    assert.deepEqual(await panel.answers(), []);
    await page.getByText("Show all: 36 more lines").click();
    await panel.armed();
    await button("Approve All 3 Once").click();
    assert.equal((await panel.answers()).length, 3);
  });

  test("nothing that anybody wrote becomes HTML, script or a request, wherever it stands", async () => {
    assert.equal(hostileTexts.length, 40);
    const requests: string[] = [];
    page.on("request", (request) => requests.push(request.url()));
    const loaded = requests.length;
    const change = { change: "added", binary: false, conflict: null } as const;
    for (const [at, text] of hostileTexts.entries()) {
      const asTool = { ...command(text), tool: text, where: text, reason: text, undo: text };
      await panel.show(
        wait(`a${at}`, asTool, { question: text }),
        wait(`b${at}`, {
          ...command(text),
          tool: "exec_service",
          args: { [text]: text, more: `${text}\n` },
        }),
        wait(`c${at}`, {
          kind: "apply",
          base: "b",
          tree: "t",
          changes: [{ ...change, path: text, diff: `--- a\n+++ b\n@@ -0,0 +1 @@\n+${text}\n` }],
        }),
        wait(`d${at}`, { ...skillUpdate, source: text }, { question: text }),
        wait(`e${at}`, { kind: "question", question: text, choices: [text] }),
      );
      const made = await page
        .locator("main")
        .locator(
          "img, script, iframe, svg, style, link, base, meta, object, embed, form, video, audio, template",
        )
        .evaluateAll((nodes) =>
          // The toolkit's own buttons have parts in trees of their own.
          nodes
            .filter((node) => node.getRootNode() === node.ownerDocument)
            .map((node) => node.outerHTML),
        );
      assert.deepEqual(made, [], text);
      assert.equal(await page.getByLabel("What will run").first().textContent(), text);
    }
    assert.equal(await page.evaluate("window.hit"), undefined);
    assert.equal(requests.length, loaded, requests.join("\n"));
  });

  test("an apply shows its files before anything else", async () => {
    await panel.show(wait("one", apply));
    const first = cards().first().locator(":scope > *").nth(1);
    assert.equal(await first.evaluate((node) => node.tagName), "DETAILS");
  });
});
