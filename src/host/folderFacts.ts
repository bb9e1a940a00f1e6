import * as vscode from "vscode";
import { CairnError } from "../core/errors.ts";
import type { EditorFacts, EditorPlace, EditorProblem, EditorSymbol } from "../core/ports.ts";
import { isSecretFile } from "../core/secretFile.ts";

/** What the editor and its language servers know of one folder of the user. */
export class FolderFacts implements EditorFacts {
  readonly #folder: vscode.Uri;

  constructor(folder: vscode.Uri) {
    this.#folder = folder;
  }

  async problems(path: string | null): Promise<readonly EditorProblem[]> {
    return vscode.languages.getDiagnostics().flatMap(([uri, found]) =>
      found.flatMap((one) => {
        const place = this.#place(uri, one.range.start);
        if (place === null || (path !== null && place.path !== path)) return [];
        const { message, source = "", severity } = one;
        return { ...place, severity: severities[severity], message, source, code: codeOf(one) };
      }),
    );
  }

  async symbols(query: string): Promise<readonly EditorSymbol[]> {
    const found = await vscode.commands.executeCommand<readonly vscode.SymbolInformation[]>(
      "vscode.executeWorkspaceSymbolProvider",
      query,
    );
    return found.flatMap(({ name, kind, containerName: container, location }) => {
      const place = this.#place(location.uri, location.range.start);
      if (place === null) return [];
      const said = { name, kind: vscode.SymbolKind[kind].toLowerCase(), container };
      return Object.assign(said, place);
    });
  }

  async references({
    path,
    line,
    symbol,
  }: Parameters<EditorFacts["references"]>[0]): Promise<readonly EditorPlace[]> {
    const uri = await this.#file(path);
    const document = await vscode.workspace.openTextDocument(uri);
    const text = line <= document.lineCount ? document.lineAt(line - 1).text : "";
    const column = text.indexOf(symbol);
    if (column === -1) throw nothing(`Line ${line} of ${path} has no ${symbol} in the editor.`);
    const found = await vscode.commands.executeCommand<readonly vscode.Location[]>(
      "vscode.executeReferenceProvider",
      uri,
      new vscode.Position(line - 1, column),
    );
    return found.flatMap((one) => this.#place(one.uri, one.range.start) ?? []);
  }

  /** Null for what lies outside of the folder, and for files that may hold secrets. */
  #place(uri: vscode.Uri, { line, character }: vscode.Position): EditorPlace | null {
    const { scheme, authority, path } = this.#folder;
    const root = path.endsWith("/") ? path : `${path}/`;
    const isInside = uri.scheme === scheme && uri.authority === authority;
    if (!isInside || !uri.path.startsWith(root)) return null;
    const relative = uri.path.slice(root.length);
    if (isSecretFile(relative.split("/").at(-1) ?? "")) return null;
    return { path: relative, line: line + 1, column: character + 1 };
  }

  /** A file of the folder by a path that a model gave: nothing on its way is a link. */
  async #file(path: string): Promise<vscode.Uri> {
    let uri = this.#folder;
    const names = path.split("/");
    for (const [index, name] of names.entries()) {
      uri = vscode.Uri.joinPath(uri, name);
      const wanted = index === names.length - 1 ? vscode.FileType.File : vscode.FileType.Directory;
      if ((await typeOf(uri)) !== wanted || isSecretFile(name)) {
        throw nothing(`The folder has no file ${path}.`);
      }
    }
    return uri;
  }
}

const severities = ["error", "warning", "information", "hint"] as const satisfies Record<
  vscode.DiagnosticSeverity,
  EditorProblem["severity"]
>;

function codeOf({ code }: vscode.Diagnostic): string {
  if (code === undefined) return "";
  return String(typeof code === "object" ? code.value : code);
}

async function typeOf(uri: vscode.Uri): Promise<vscode.FileType | null> {
  try {
    return (await vscode.workspace.fs.stat(uri)).type;
  } catch {
    return null;
  }
}

function nothing(words: string): CairnError {
  return new CairnError("service.notFound", words);
}
