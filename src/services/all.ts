import type { EditorFacts, GithubAccess } from "../core/ports.ts";
import type { Service } from "../core/service.ts";
import { findReferences } from "./findReferences.ts";
import { githubIssue } from "./githubIssue.ts";
import { lookupWiki } from "./lookupWiki.ts";
import { publishSummary } from "./publishSummary.ts";
import { workspaceDiagnostics } from "./workspaceDiagnostics.ts";
import { workspaceSymbols } from "./workspaceSymbols.ts";

/** Every service that ships with Cairn: a new one gets its line here. */
export function allServices(editor: EditorFacts, github: GithubAccess): readonly Service[] {
  return [
    lookupWiki,
    publishSummary,
    workspaceDiagnostics(editor),
    workspaceSymbols(editor),
    findReferences(editor),
    githubIssue(github),
  ];
}
