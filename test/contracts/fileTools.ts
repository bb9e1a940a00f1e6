import assert from "node:assert/strict";
import { chmod, readFile, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import type { Sandbox } from "../../src/core/ports.ts";
import type { ToolOutput } from "../../src/core/records.ts";
import type { Tool } from "../../src/core/tool.ts";
import { editFileTool } from "../../src/tools/editFile.ts";
import { listFilesTool } from "../../src/tools/listFiles.ts";
import { readFileTool } from "../../src/tools/readFile.ts";
import { searchTool } from "../../src/tools/search.ts";
import { writeFileTool } from "../../src/tools/writeFile.ts";
import { run, type SandboxUnderTest } from "./sandbox.ts";

/** What the file tools promise in every sandbox. */
export function fileToolsContract(
  name: string,
  make: () => Promise<SandboxUnderTest>,
  can: { readonly realBash: boolean },
): void {
  const testOfRealBash = can.realBash ? test : (): void => {};

  suite(`the file tools in ${name}`, () => {
    let under: SandboxUnderTest;
    const use = async (
      tool: (sandbox: Sandbox) => Tool,
      args: object | string,
    ): Promise<ToolOutput> => call(tool(under.sandbox), args);
    const put = async (path: string, text: string | Uint8Array): Promise<void> => {
      await writeFile(join(under.tree, path), text);
      await chmod(join(under.tree, path), 0o666);
    };
    const on = async (path: string): Promise<string> => readFile(join(under.tree, path), "utf8");
    before(async () => {
      under = await make();
      await under.sandbox.start();
      await run(under.sandbox, "mkdir src find");
    });
    after(async () => under.close());

    test("a file is read to the letter, and a part of it by lines", async () => {
      await put("src/a.txt", "one\n  two\t\r\n\nfour: ü $HOME `id`\n");
      const path = "src/a.txt";
      const whole = await use(readFileTool, { path });
      assert.equal(whole.text, "one\n  two\t\r\n\nfour: ü $HOME `id`");
      const middle = await use(readFileTool, { path: "/workspace/src/a.txt", from: 2, lines: 2 });
      assert.equal(middle.text, "  two\t\r\n\n[lines 2 to 3 of 4. Go on from 4.]");
      assert.equal((await use(readFileTool, { path, from: 9 })).ok, false);
      await put("src/long.txt", `${"x".repeat(50_000)}\nend\n`);
      const cut = await use(readFileTool, { path: "src/long.txt" });
      assert.match(cut.text, /\[lines 1 to 1 of 2\. Go on from 2\. Line 1 is cut after 40000 char/);
    });

    test("what is no text file is said, and nothing hangs on it", async () => {
      await put("src/binary", Buffer.from([0, 255, 1]));
      assert.match((await use(readFileTool, { path: "src/binary" })).text, /not a text file/);
      assert.match((await use(readFileTool, { path: "src" })).text, /is a folder/);
      assert.equal((await use(readFileTool, { path: "none" })).text, "There is no file ./none.");
      await put("src/empty", "");
      assert.equal((await use(readFileTool, { path: "src/empty" })).text, "[the file is empty]");
    });

    void testOfRealBash("a pipe is refused instead of waited for", async () => {
      await run(under.sandbox, "mkfifo src/pipe");
      assert.match((await use(readFileTool, { path: "src/pipe" })).text, /not a regular file/);
      const written = await use(writeFileTool, { path: "src/pipe", content: "x" });
      assert.match(written.text, /not a regular file/);
      await run(under.sandbox, "rm src/pipe");
    });

    test("a file is written with its folders, to the byte, and keeps its mode", async () => {
      const content = "no end of line, 'quotes', $HOME\\n ü\u0000\nCAIRN\nEOF";
      const output = await use(writeFileTool, { path: "new/deep/b.txt", content });
      assert.equal(output.text, "Wrote 47 bytes to new/deep/b.txt.");
      assert.equal(await on("new/deep/b.txt"), content);
      await run(under.sandbox, "chmod 755 new/deep/b.txt");
      await use(writeFileTool, { path: "new/deep/b.txt", content: "" });
      const { mode, size } = await stat(join(under.tree, "new/deep/b.txt"));
      assert.deepEqual([mode & 0o777, size], [0o755, 0]);
      assert.match((await use(writeFileTool, { path: "new", content: "" })).text, /is a folder/);
    });

    test("an edit replaces exactly the text that is given, and only where it is the only one", async () => {
      await put("src/c.ts", "a(1);\nb($&, '$1');\na(2);\n");
      const path = "src/c.ts";
      const edited = await use(editFileTool, { path, old: "b($&, '$1')", new: "c($$, `$&`)" });
      assert.equal(edited.text, "Replaced in line 2 of src/c.ts.");
      const twice = await use(editFileTool, { path, old: "a(", new: "z(" });
      assert.deepEqual([twice.ok, /stands 2 times/.test(twice.text)], [false, true]);
      const absent = await use(editFileTool, { path, old: "q(", new: "" });
      assert.match(absent.text, /is not in src\/c\.ts; nothing was changed\. Read the file/);
      const near = await use(editFileTool, { path, old: "a(1);\n\nc(", new: "" });
      assert.match(near.text, /with other spaces or line ends/);
      assert.equal(await on(path), "a(1);\nc($$, `$&`);\na(2);\n");
      const all = await use(editFileTool, { path, old: "a(", new: "z(", all: true });
      assert.equal(all.text, "Replaced 2 times, first in line 1 of src/c.ts.");
      assert.equal(await on(path), "z(1);\nc($$, `$&`);\nz(2);\n");
    });

    test("an edit writes nothing over what was written while it was being made", async () => {
      await put("src/raced", "old\n");
      let runs = 0;
      const raced: Sandbox = {
        run: async (command, options) => {
          runs += 1;
          if (runs === 2) await put("src/raced", "old, and newer\n");
          return under.sandbox.run(command, options);
        },
        execute: async (parts, options) => under.sandbox.execute(parts, options),
      };
      const args = { path: "src/raced", old: "old", new: "edited" };
      const output = await call(editFileTool(raced), args);
      assert.deepEqual([output.ok, runs], [false, 2]);
      assert.match(output.text, /was changed meanwhile; nothing was written\. Read it again/);
      assert.equal(await on("src/raced"), "old, and newer\n");
    });

    test("the log names the tool and its file, not the text that does it", async () => {
      await use(writeFileTool, { path: "src/logged", content: "text" });
      const line = under.lines.find((each) => each.includes("src/logged"));
      assert.equal(line, "$ write_file src/logged (4 bytes)");
      assert.equal(under.lines.join("\n").includes("base64"), false);
    });

    test("a folder is listed with what is in it, but for history and packages", async () => {
      await run(
        under.sandbox,
        "mkdir -p tree/.git/x tree/node_modules/y tree/d/e/f; touch tree/.git/config tree/node_modules/y/i.js tree/d/e/deep tree/-n 'tree/two words'",
      );
      const two = await use(listFilesTool, { path: "tree" });
      assert.deepEqual(two.text.split("\n"), [
        "-n",
        ".git/",
        "d/",
        "d/e/",
        "node_modules/",
        "two words",
      ]);
      const deep = await use(listFilesTool, { path: "tree/d", depth: 9 });
      assert.deepEqual(deep.text.split("\n"), ["e/", "e/deep", "e/f/"]);
      const missing = await use(listFilesTool, { path: "tree/none" });
      assert.match(missing.text, /^There is no folder/);
    });

    test("lines are found by expression or to the letter, in the files that are asked for", async () => {
      await put("find/a.ts", "const x = f(1);\nlet y;\n");
      await put("find/b.md", "F(1) and -e\n");
      await put("find/binary", Buffer.from("f(1)\0\n"));
      const lines = async (more: object): Promise<readonly string[]> =>
        (await use(searchTool, { path: "find", ...more })).text.split("\n").toSorted();
      assert.deepEqual(await lines({ pattern: String.raw`f\([0-9]\)` }), [
        "find/a.ts:1:const x = f(1);",
      ]);
      assert.deepEqual(await lines({ pattern: "F(1)", literal: true, ignoreCase: true }), [
        "find/a.ts:1:const x = f(1);",
        "find/b.md:1:F(1) and -e",
      ]);
      assert.deepEqual(await lines({ pattern: "-e", files: "*.md" }), ["find/b.md:1:F(1) and -e"]);
      assert.deepEqual(await lines({ pattern: "nowhere" }), ["Nothing was found."]);
      const wrong = await use(searchTool, { pattern: "(", path: "find" });
      assert.deepEqual([wrong.ok, wrong.text.startsWith("grep: ")], [false, true]);
    });

    test("neither names nor texts are ever run, and the model's shell is left as it is", async () => {
      const evil = "$(touch hit)`touch hit`'; touch hit; '";
      await use(readFileTool, { path: evil });
      await use(searchTool, { pattern: evil, path: evil, files: evil });
      await use(editFileTool, { path: evil, old: evil, new: evil });
      const written = await use(writeFileTool, { path: `d/${evil}`, content: evil });
      assert.equal(written.ok, true);
      assert.equal(await on(`d/${evil}`), evil);
      await run(under.sandbox, "cd /tmp; set -f; greeting=hello");
      await use(listFilesTool, {});
      const left = await run(under.sandbox, "echo $greeting; ls /workspace/hit /tmp/hit");
      assert.equal(Buffer.from(left.stdout).toString(), "hello\n");
      assert.equal(left.cwd, "/tmp");
    });

    void testOfRealBash("what the model's shell has redefined does not matter", async () => {
      await run(under.sandbox, "cat() { echo no; }; cd() { :; }; export -f cat cd; set -eu");
      await put("src/d.txt", "yes\n");
      assert.equal((await use(readFileTool, { path: "src/d.txt" })).text, "yes");
      assert.equal((await use(readFileTool, { path: "none" })).ok, false);
    });

    test("a link out of the tree shows nothing of the host", async () => {
      await writeFile(join(under.state, "secret"), "SECRET\n");
      await symlink(join(under.state, "secret"), join(under.tree, "outward"));
      assert.equal((await use(readFileTool, { path: "outward" })).ok, false);
    });

    test("wrong arguments are said before anything runs", () => {
      for (const tool of [readFileTool, writeFileTool, editFileTool]) {
        const args = JSON.stringify({ path: "a\u0000b", content: "", old: "x", new: "" });
        const checked = tool(under.sandbox);
        assert.equal(checked.prepare({ id: "1", tool: checked.name, args }).kind, "refused");
      }
    });
  });
}

async function call(tool: Tool, args: object | string): Promise<ToolOutput> {
  const text = typeof args === "string" ? args : JSON.stringify(args);
  const prepared = tool.prepare({ id: "1", tool: tool.name, args: text });
  assert.equal(prepared.kind, "run", JSON.stringify(prepared));
  assert(prepared.kind === "run");
  return prepared.run({ signal: new AbortController().signal, timeoutMs: 20_000, operation: "o" });
}
