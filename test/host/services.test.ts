import assert from "node:assert/strict";
import { mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { after, before, suite, test } from "node:test";
import * as vscode from "vscode";
import { namedProfile } from "../../src/core/profile.ts";
import { toolOutput, type SessionRecord } from "../../src/core/records.ts";
import { viewOf } from "../../src/core/replay.ts";
import { Engine } from "../../src/engine.ts";
import { FolderFacts } from "../../src/host/folderFacts.ts";
import { Operator } from "../../src/host/operator.ts";
import { githubSession } from "../../src/host/githubSession.ts";
import { profileOf, readSettings } from "../../src/host/settings.ts";
import { scriptedServer, type ScriptedServer } from "../cli/scriptedServer.ts";
import { githubToken, teamServer, type TeamServer } from "../services/teamServer.ts";
import { cairn, eventually, workspaceFolder } from "./cairn.ts";

/** A language of the test's own, so that no real language server has a say. */
const selector = { language: "plaintext", pattern: "**/*.cairntest" };
const source = "first line\nlet answer = 42;\nuse answer;\n";

/** Accounts in which somebody is signed in already, or nobody is. */
class TestAccounts implements vscode.AuthenticationProvider {
  #signedIn: boolean;
  readonly asked: (readonly string[] | undefined)[] = [];
  readonly #changed =
    new vscode.EventEmitter<vscode.AuthenticationProviderAuthenticationSessionsChangeEvent>();
  readonly onDidChangeSessions = this.#changed.event;

  constructor(signedIn: boolean) {
    this.#signedIn = signedIn;
  }

  async getSessions(scopes?: readonly string[]): Promise<vscode.AuthenticationSession[]> {
    this.asked.push(scopes);
    return this.#signedIn ? [await this.createSession(scopes ?? [])] : [];
  }

  async createSession(scopes: readonly string[]): Promise<vscode.AuthenticationSession> {
    const account = { id: "dev", label: "dev" };
    return { id: "one", accessToken: githubToken, account, scopes };
  }

  async removeSession(): Promise<void> {}

  /** Somebody signs in or out, and the editor is told. */
  async sign(signedIn: boolean): Promise<void> {
    this.#signedIn = signedIn;
    const session = await this.createSession(["user:email"]);
    const [added, removed] = signedIn ? [[session], []] : [[], [session]];
    this.#changed.fire({ added, removed, changed: [] });
  }
}

suite("services of the editor, in a session", () => {
  const accounts = new TestAccounts(true);
  const github = new TestAccounts(false);
  const disposables: vscode.Disposable[] = [];
  const state = mkdtempSync(join(tmpdir(), "cairn-services-"));
  let file: vscode.Uri;
  let team: TeamServer;
  let model: ScriptedServer;
  let engine: Engine;

  before(async () => {
    const { extensionPath } = await cairn();
    const folder = workspaceFolder().uri;
    file = vscode.Uri.joinPath(folder, "code.cairntest");
    await vscode.workspace.fs.writeFile(file, new TextEncoder().encode(source));
    symlinkSync("/etc/hostname", join(folder.fsPath, "link.cairntest"));
    const outside = vscode.Uri.file("/etc/hostname");
    const at = (line: number, column: number) => new vscode.Range(line, column, line, column + 6);
    const problems = vscode.languages.createDiagnosticCollection("cairn-test");
    const warning = new vscode.Diagnostic(
      at(2, 4),
      "answer is unused",
      vscode.DiagnosticSeverity.Warning,
    );
    const error = new vscode.Diagnostic(
      at(1, 4),
      "answer is wrong",
      vscode.DiagnosticSeverity.Error,
    );
    Object.assign(error, { source: "test", code: "T1" });
    problems.set(file, [warning, error]);
    problems.set(outside, [error]);
    disposables.push(
      problems,
      vscode.languages.registerWorkspaceSymbolProvider({
        provideWorkspaceSymbols: (query) =>
          [file, outside].map(
            (uri) =>
              new vscode.SymbolInformation(
                query,
                vscode.SymbolKind.Variable,
                "code",
                new vscode.Location(uri, at(1, 4)),
              ),
          ),
      }),
      vscode.languages.registerReferenceProvider(selector, {
        provideReferences: (document, position) => [
          new vscode.Location(document.uri, document.getWordRangeAtPosition(position) ?? at(0, 0)),
          new vscode.Location(document.uri, at(2, 4)),
          new vscode.Location(outside, at(0, 0)),
        ],
      }),
      vscode.authentication.registerAuthenticationProvider("github-enterprise", "Test", accounts),
      vscode.authentication.registerAuthenticationProvider("github", "T", github),
    );
    team = await teamServer();
    const settings = vscode.workspace.getConfiguration("cairn");
    await settings.update("github.url", team.url, vscode.ConfigurationTarget.Global);
    const call = (id: string, service: string, args: object) => ({
      id,
      tool: "exec_service",
      args: { service, args },
    });
    const issue = { action: "create", repository: "o/r", title: "Bug", body: "It is wrong." };
    model = await scriptedServer([
      {
        text: "",
        calls: [
          call("problems", "workspace_diagnostics", { path: "code.cairntest" }),
          call("symbols", "workspace_symbols", { query: "answer" }),
          call("used", "find_references", { path: "code.cairntest", line: 2, symbol: "answer" }),
          call("link", "find_references", { path: "link.cairntest", line: 1, symbol: "a" }),
          call("absent", "find_references", { path: "code.cairntest", line: 1, symbol: "answer" }),
        ],
      },
      { text: "", calls: [call("issue", "github_issue", issue)] },
      { text: "Done." },
    ]);
    engine = new Engine({
      // A folder of its own: the store of the one that is open is the extension's.
      workspace: state,
      dist: pathToFileURL(join(extensionPath, "dist/")),
      shippedSkills: join(extensionPath, "skills"),
      version: "test",
      image: "",
      dockerSocket: null,
      environment: { CAIRN_HOME: join(state, "home") },
      apiKey: async () => "sk-test-0123456789abcdef",
      log: () => {},
      onRecord: () => {},
      editor: { facts: new FolderFacts(folder), github: githubSession },
    });
  });

  after(async () => {
    for (const each of disposables) each.dispose();
    await engine.close();
    await Promise.all([team.close(), model.close()]);
    const settings = vscode.workspace.getConfiguration("cairn");
    await settings.update("github.url", undefined, vscode.ConfigurationTarget.Global);
    rmSync(state, { recursive: true, force: true });
    await vscode.workspace.fs.delete(file);
    rmSync(join(workspaceFolder().uri.fsPath, "link.cairntest"));
  });

  let records: readonly SessionRecord[] = [];
  const told = (call: string): string => {
    const done = records.findLast(
      (one) => one.kind === "step.completed" && one.step === `turn/1/tool/${call}`,
    );
    assert(done?.kind === "step.completed", `${call} has an outcome`);
    return toolOutput.parse(done.output).text;
  };

  test("those that only look at the editor are on, and others as the settings say", async () => {
    const { allowedServices } = await profileOf(readSettings(null));
    assert.deepEqual(Object.keys(allowedServices ?? {}).toSorted(), [
      "find_references",
      "workspace_diagnostics",
      "workspace_symbols",
    ]);
  });

  test("problems, symbols and references are those of the user's own folder", async () => {
    const allowedServices = {
      ...(await profileOf(readSettings(null))).allowedServices,
      github_issue: { decision: "allow" as const },
    };
    const run = await engine.start({
      prompts: ["look"],
      profile: { ...namedProfile("default"), apply: "onRequest", allowedServices },
      model: { demo: false, url: model.url, name: "scripted" },
      sandbox: "embedded",
      skills: null,
    });
    assert.equal(await run.done, "completed");
    records = await engine.records(run.session);
    assert.equal(
      told("problems"),
      "code.cairntest:2:5: error: answer is wrong [test T1]\ncode.cairntest:3:5: warning: answer is unused",
    );
    assert.equal(told("symbols"), "code.cairntest:2:5: variable answer in code");
    assert.equal(told("used"), "code.cairntest:2:5\ncode.cairntest:3:5");
  });

  test("a link in the folder is not followed, and a name that is not there is said", () => {
    assert.match(told("link"), /no file link\.cairntest\. \[service\.notFound\]$/);
    assert.match(told("absent"), /Line 1 of code\.cairntest has no answer.*\[service\.notFound\]$/);
  });

  test("with nobody signed in at GitHub itself, an issue is refused with what to do", async () => {
    const settings = vscode.workspace.getConfiguration("cairn");
    await settings.update("github.url", undefined, vscode.ConfigurationTarget.Global);
    assert.equal(githubSession.api(), "https://api.github.com");
    await assert.rejects(githubSession.token(false), { code: "service.unauthorized" });
    await settings.update("github.url", team.url, vscode.ConfigurationTarget.Global);
    assert.equal(await githubSession.token(false), githubToken);
  });

  test("an issue is created with the editor's own account, whose token no record has", () => {
    assert.match(told("issue"), /^Created the issue: https:\/\/github\.example\/o\/r\/issues\/1$/);
    assert.deepEqual(accounts.asked.at(-1), ["repo"]);
    assert.match(team.posted[0]?.body ?? "", /^It is wrong\.\n\n<!-- cairn [0-9a-f]{32} -->$/);
    assert(!JSON.stringify(records).includes(githubToken));
  });

  test("an issue is approved in the name of the editor's account; signed out, of the machine's user", async () => {
    const operator = new Operator();
    disposables.push(operator);
    for (const [signedIn, user] of [
      [true, "dev@github"],
      [false, userInfo().username],
    ] as const) {
      await github.sign(signedIn);
      await eventually(`answers of ${user}`, async () => {
        return operator.by("panel").user === user ? user : undefined;
      });
      const run = await engine.start({
        prompts: ["look"],
        profile: {
          ...namedProfile("default"),
          apply: "onRequest",
          allowedServices: {
            ...(await profileOf(readSettings(null))).allowedServices,
            github_issue: {},
          },
        },
        model: { demo: false, url: model.url, name: "scripted" },
        sandbox: "embedded",
        skills: null,
      });
      assert.equal(await run.done, "waiting");
      const [wait] = viewOf(await engine.records(run.session)).openWaits;
      assert.equal(wait?.question, "Call github_issue (create)?");
      const value = { approved: true, note: "" };
      const { digest } = wait;
      const by = operator.by("panel");
      const answered = await engine.answer(run.session, { wait: wait.wait, digest, value, by });
      assert.equal(await answered.done, "completed");
      const given = (await engine.records(run.session)).find(
        (record) => record.kind === "wait.answered",
      );
      assert(given?.kind === "wait.answered");
      assert.deepEqual([given.by, given.digest], [{ user, surface: "panel" }, digest]);
    }
  });
});
